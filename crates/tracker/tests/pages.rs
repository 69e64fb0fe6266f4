//! The pages and the operator's files, without a socket.

mod support;

use axum::http::Method;
use serde_json::json;
use support::Tracker;

/// A text that is markup wherever it is not escaped.
const EVIL: &str = "<img src=x onerror=alert(1)>\"'&";

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn what_a_volunteer_typed_is_never_markup() {
    let tracker = Tracker::start(&["--description", EVIL, "--invalid-after", "1"])
        .await
        .with_jobs(&["1", "2"])
        .await;
    let answer = tracker
        .get(&format!("/api/new?stage=a&nickname={}", encoded(EVIL)))
        .await;
    let worker = answer.json();
    let token = worker["token"].as_str().expect("a token");
    tracker.take(token).await;
    tracker.hand_in(token, EVIL).await;
    tracker
        .post("updateProgress", json!({"token": token, "progress": EVIL}))
        .await;
    let name = worker["display_name"].as_str().expect("a name");
    for page in [
        "/".to_owned(),
        "/leaderboard".to_owned(),
        format!("/worker/cpu/{name}"),
    ] {
        let answer = tracker.get(&page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(
            answer.text().contains("&lt;img src=x onerror=alert(1)&gt;"),
            "{page}"
        );
        assert!(!answer.text().contains("<img"), "{page}");
    }
}

#[tokio::test]
async fn pages_ask_no_other_host_and_run_no_script_but_their_own() {
    let tracker = Tracker::start(&["--volunteer-page", "/v/", "--preview", "/v/p.html"]).await;
    for page in ["/", "/leaderboard"] {
        let answer = tracker.get(page).await;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        for mark in ["http://", "https://", "//", "onclick", "style=", "<style"] {
            assert!(!answer.text().contains(mark), "{page} contains {mark}");
        }
        let scripts = answer.text().matches("<script").count();
        assert_eq!(
            scripts,
            answer.text().matches("src=\"./assets/live.js\"").count()
        );
    }
    for asset in ["/assets/style.css", "/assets/live.js", "/assets/icon.svg"] {
        assert_eq!(tracker.get(asset).await.status, 200, "{asset}");
    }
    let script = tracker.get("/assets/live.js").await;
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
}

#[tokio::test]
async fn the_dashboard_leads_to_the_volunteer_page_and_shows_the_preview() {
    let with = Tracker::start(&["--volunteer-page", "/v/", "--preview", "/v/p.html"]).await;
    let page = with.get("/").await;
    assert!(page.text().contains(r#"href="./v/">Volunteer"#));
    assert!(
        page.text()
            .contains(r#"<iframe class="preview" src="./v/p.html" title="Results so far""#)
    );
    let without = Tracker::start(&[]).await;
    let page = without.get("/").await;
    assert!(!page.text().contains("Volunteer") && !page.text().contains("<iframe"));
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again() {
    let tracker = Tracker::start(&[]).await;
    let first = tracker.get("/").await;
    let tag = first.header("etag").expect("a tag");
    let again = tracker
        .request(Method::GET, "/", &[("if-none-match", tag)])
        .await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0));
    tracker.clock.advance(5_000);
    let later = tracker
        .request(Method::GET, "/", &[("if-none-match", tag)])
        .await;
    assert_eq!(later.status, 304, "time alone changes nothing");
    tracker.join("a", "Ann").await;
    let changed = tracker
        .request(Method::GET, "/", &[("if-none-match", tag)])
        .await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn the_dashboard_shows_fifty_workers_a_page_and_turns_each_table_by_itself() {
    let tracker = Tracker::start(&[]).await;
    for n in 0..51 {
        tracker.join("a", &format!("first-{n}")).await;
        tracker.join("b", &format!("second-{n}")).await;
    }
    let page = tracker.get("/").await;
    assert_eq!(page.text().matches("<bdi>first-").count(), 50);
    // By the first row of the next page, and by its number, as older links do.
    let next = link_to(page.text(), "#stage-a\">Next");
    assert!(next.starts_with("/?a=from-"), "{next}");
    for address in [next.as_str(), "/?a=2"] {
        let page = tracker.get(address).await;
        assert_eq!(page.text().matches("<bdi>first-").count(), 1, "{address}");
        assert_eq!(page.text().matches("<bdi>second-").count(), 50);
        let both = link_to(page.text(), "#stage-b\">Next");
        assert!(
            both.starts_with(address) && both.contains("&b=from-"),
            "{both}"
        );
        let back = link_to(page.text(), "#stage-a\">← Previous");
        let page = tracker.get(&back).await;
        assert_eq!(page.text().matches("<bdi>first-").count(), 50, "{back}");
    }
}

/// The address of the link of a page that continues with `rest`, without its anchor.
fn link_to(page: &str, rest: &str) -> String {
    let (before, _) = page.split_once(rest).expect(rest);
    let (_, address) = before.rsplit_once("href=\".").expect("a link");
    let address = address.split('#').next().unwrap_or_default();
    address.trim_end_matches('"').replace("&amp;", "&")
}

#[tokio::test]
async fn the_leaderboard_is_turned_by_links_from_its_first_to_its_last_name_and_back() {
    let jobs = vec!["x"; 121];
    let tracker = Tracker::start(&[]).await.with_jobs(&jobs).await;
    for n in 0..120 {
        let token = tracker
            .join("a", &encoded(&format!("v{n:03} & co/%")))
            .await;
        tracker.take(&token).await;
        tracker.hand_in(&token, "x").await;
    }
    let names = |page: &str| page.matches("<bdi>v").count();
    let rank = |page: &str| {
        let (_, row) = page.split_once(r#"<tr data-key="#).expect("a row");
        let (_, rank) = row.split_once(r#"<td class="number">"#).expect("a rank");
        rank.split('<').next().unwrap_or_default().to_owned()
    };
    let mut at = "/leaderboard".to_owned();
    for (count, first) in [(50, "1"), (50, "51"), (20, "101")] {
        let page = tracker.get(&at).await;
        assert_eq!(
            (names(page.text()), rank(page.text()).as_str()),
            (count, first)
        );
        if count == 50 {
            at = link_to(page.text(), "\">Next");
        } else {
            assert!(!page.text().contains("rel=\"next\""));
        }
    }
    for first in ["51", "1"] {
        let page = tracker.get(&at).await;
        at = link_to(page.text(), "\">← Previous");
        let page = tracker.get(&at).await;
        assert_eq!(
            (names(page.text()), rank(page.text()).as_str()),
            (50, first)
        );
    }
    assert!(!tracker.get(&at).await.text().contains("rel=\"prev\""));
    for (page, first) in [("2", "51"), ("3", "101"), ("x", "1"), ("from-1.%00", "1")] {
        let address = format!("/leaderboard?page={page}");
        assert_eq!(rank(tracker.get(&address).await.text()), first, "{page}");
    }
    for nobody in ["/leaderboard?page=200", "/leaderboard?page=from-0.x"] {
        let page = tracker.get(nobody).await;
        assert!(page.text().contains("Nobody stands here."), "{nobody}");
    }
}

#[tokio::test]
async fn anybody_is_found_on_the_leaderboard_by_how_the_name_begins() {
    let jobs = vec!["x"; 61];
    let tracker = Tracker::start(&[]).await.with_jobs(&jobs).await;
    for name in (0..60).map(|n| format!("v{n:02}")).chain([EVIL.to_owned()]) {
        let token = tracker.join("a", &encoded(&name)).await;
        tracker.take(&token).await;
        tracker.hand_in(&token, "x").await;
    }
    let search = async |name: &str, more: &str| {
        let address = format!("/leaderboard?name={}{more}", encoded(name));
        tracker.get(&address).await
    };
    let found = search("V59", "").await;
    assert_eq!(found.text().matches("<bdi>").count(), 1, "{}", found.text());
    let there = link_to(found.text(), "\"><bdi>v59");
    let page = tracker.get(&there).await;
    let row = page.text().split_once("<tbody>").expect("a table").1;
    assert!(
        row.starts_with(r#"<tr data-key="v59"><td class="number">61</td>"#),
        "{row}"
    );
    // The search text is displayed again, escaped.
    let found = search(EVIL, "").await;
    assert_eq!(found.text().matches("<bdi>").count(), 1);
    assert!(!found.text().contains("<img"));
    let many = search("v", "").await;
    assert_eq!(many.text().matches("<bdi>").count(), 50);
    let rest = tracker.get(&link_to(many.text(), "\">Next")).await;
    assert_eq!(rest.text().matches("<bdi>").count(), 10);
    let back = tracker.get(&link_to(rest.text(), "\">← Previous")).await;
    assert_eq!(back.text().matches("<bdi>").count(), 50);
    let none = search("nobody", "").await;
    assert!(
        none.text()
            .contains("No nickname with a finished job begins like this.")
    );
    // An empty search shows the leaderboard.
    assert!(search(" \u{3164}", "").await.text().contains(">Rank<"));
    for refused in ["a\0", &"x".repeat(129)] {
        let answer = search(refused, "").await;
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    let policy = found.header("content-security-policy").expect("a policy");
    assert!(policy.contains("form-action 'self'"), "{policy}");
}

#[tokio::test]
async fn jobs_set_aside_are_listed_with_the_reason() {
    let tracker = Tracker::start(&["--invalid-after", "1"])
        .await
        .with_jobs(&["1"])
        .await;
    assert!(!tracker.get("/").await.text().contains("Set aside"));
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker
        .post("flagInvalidData", json!({ "token": token }))
        .await;
    let page = tracker.get("/").await;
    assert!(
        page.text()
            .contains("One volunteer called its imported input bad.")
    );
}

#[tokio::test]
async fn a_workers_page_is_found_by_the_stage_in_small_letters() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1", "2"]).await;
    let worker = tracker.get("/api/new?stage=a&nickname=Ann").await.json();
    let token = worker["token"].as_str().expect("a token");
    let name = worker["display_name"].as_str().expect("a name");
    tracker.take(token).await;
    tracker.clock.advance(120_000);
    tracker.hand_in(token, "x").await;
    tracker.take(token).await;
    let page = tracker.get(&format!("/worker/cpu/{name}")).await;
    for fact in [
        "<bdi>Ann</bdi>",
        "#2",
        "<dd>30</dd>",
        "T13:20:00Z",
        "T13:22:00Z",
    ] {
        assert!(page.text().contains(fact), "{fact}: {}", page.text());
    }
    assert_eq!(
        tracker.get(&format!("/worker/CPU/{name}")).await.refusal(),
        (400, Some("stage_invalid"), "Invalid worker stage.")
    );
    for missing in ["/worker/cpu/nobody-here-1", "/worker/cpu/%ff"] {
        let answer = tracker.get(missing).await;
        assert_eq!(
            answer.refusal(),
            (404, Some("not_found"), "Worker not found.")
        );
    }
}

#[tokio::test]
async fn the_leaderboard_ranks_by_jobs_and_goes_on_behind_fifty() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["x"; 53]).await;
    assert!(
        tracker
            .get("/leaderboard")
            .await
            .text()
            .contains("Nobody has finished a job yet.")
    );
    for n in 0..52 {
        let token = tracker.join("a", &format!("v{n:02}")).await;
        for _ in 0..=u64::from(n == 7) {
            tracker.take(&token).await;
            tracker.hand_in(&token, "x").await;
        }
    }
    let page = tracker.get("/leaderboard").await;
    let first = page.text().find("v07").expect("the first");
    assert!(first < page.text().find("v00").expect("the second"));
    let page = tracker.get("/leaderboard?page=2").await;
    assert!(page.text().contains(r#"<td class="number">52</td>"#));
    assert_eq!(page.text().matches("<bdi>").count(), 2);
}

#[tokio::test]
async fn the_dashboard_says_numbers_as_people_do() {
    let tracker = Tracker::start(&["--volunteer-page", "/v/"])
        .await
        .with_jobs(&["x"; 8])
        .await;
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker.hand_in(&token, "x").await;
    let sync = json!({ "token": token, "seq": 1, "want": 3, "holding": [] });
    assert_eq!(tracker.post("sync", sync).await.status, 200);
    let page = tracker.get("/").await;
    for text in ["<strong>6.2 %</strong> complete", "#2 and 2 more"] {
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    // One link to volunteer, not two.
    for address in ["/", "/leaderboard"] {
        let page = tracker.get(address).await;
        assert_eq!(page.text().matches(">Volunteer").count(), 1, "{address}");
    }
}

#[tokio::test]
async fn those_without_a_nickname_have_no_rank() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["x"; 4]).await;
    for name in ["", "\u{3164}", "anonymous"] {
        let token = tracker.join("a", &encoded(name)).await;
        tracker.take(&token).await;
        tracker.hand_in(&token, "x").await;
    }
    let page = tracker.get("/leaderboard").await;
    let sentence = "Nobody with a nickname has finished a job yet.";
    assert!(page.text().contains(sentence), "{}", page.text());
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker.hand_in(&token, "x").await;
    let page = tracker.get("/leaderboard").await;
    assert_eq!(page.text().matches("<bdi>").count(), 1, "{}", page.text());
    let sentence = "3 jobs were done by volunteers without a nickname.";
    assert!(page.text().contains(sentence), "{}", page.text());
}

#[tokio::test]
async fn a_name_that_looks_like_an_older_one_is_shown_with_its_worker() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["x"; 9]).await;
    // The imitator does two jobs, so that it is listed first.
    let mut workers = Vec::new();
    for (nickname, jobs) in [
        ("Ann", 1),
        ("\u{410}nn", 2),
        ("Zoe\u{308}", 1),
        ("B\u{7}ob", 1),
    ] {
        tracker.clock.advance(1_000);
        let joined = format!("/api/new?stage=a&nickname={}", encoded(nickname));
        let worker = tracker.get(&joined).await.json();
        let token = worker["token"].as_str().expect("a token").to_owned();
        for _ in 0..jobs {
            tracker.take(&token).await;
            tracker.hand_in(&token, "x").await;
        }
        workers.push(worker["display_name"].as_str().expect("a name").to_owned());
    }
    let alike = format!("<bdi>\u{410}nn</bdi> <small>({})</small>", workers[1]);
    for page in ["/", "/leaderboard"] {
        let page = tracker.get(page).await;
        let text = page.text();
        assert!(text.contains(&alike), "{text}");
        assert_eq!(text.matches("</bdi> <small>").count(), 1, "{text}");
        for name in ["<bdi>Ann</bdi>", "<bdi>Zo\u{eb}</bdi>", "<bdi>Bob</bdi>"] {
            assert!(text.contains(name), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn a_browser_that_finds_nothing_finds_a_way_back() {
    let site = site();
    let tracker = serving(&site).await;
    let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    for address in [
        "/nothing",
        "/volunteer/missing.html",
        "/worker/cpu/nobody-here-1",
        "/deep/er/",
    ] {
        let page = tracker.request(Method::GET, address, &[browser]).await;
        assert_eq!(page.status, 404, "{address}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(page.header("distcompute-error"), Some("not_found"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(
            page.header("content-security-policy")
                .is_some_and(|policy| policy.contains("style-src"))
        );
        assert!(page.text().contains("To the dashboard of"), "{address}");
        assert!(!page.text().contains("<script"), "nothing there changes");
        let program = tracker.get(address).await;
        assert_eq!(
            program.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
    let call = tracker
        .request(Method::GET, "/api/nothing", &[browser])
        .await;
    assert_eq!(
        call.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}

#[tokio::test]
async fn results_can_be_asked_for_without_their_data_and_by_number() {
    let tracker = Tracker::start(&["--public-results"])
        .await
        .with_jobs(&["x"; 3])
        .await;
    let token = tracker.join("a", "Ann").await;
    for data in ["one", "two", "three"] {
        tracker.take(&token).await;
        tracker.hand_in(&token, data).await;
    }
    let ask = async |query: &str| tracker.get(&format!("/api/results?stage=a&{query}")).await;
    assert_eq!(
        ask("data=false&after=1").await.text(),
        "{\"cursor\":2,\"number\":2}\n{\"cursor\":3,\"number\":3}\n"
    );
    assert_eq!(
        ask("numbers=3,1,77").await.text(),
        "{\"cursor\":1,\"number\":1,\"data\":\"one\"}\n{\"cursor\":3,\"number\":3,\"data\":\"three\"}\n"
    );
    let many = vec!["1"; 101].join(",");
    for bad in [
        "data=no",
        "numbers=",
        "numbers=1,x",
        "numbers=-1",
        &format!("numbers={many}"),
    ] {
        assert_eq!(ask(bad).await.status, 422, "{bad}");
    }
}

/// A folder with a page, a script, a wasm file and a subfolder, and a secret beside it.
fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let www = folder.path().join("www");
    std::fs::create_dir_all(www.join("deep")).expect("folders");
    std::fs::create_dir_all(folder.path().join("pkg")).expect("folders");
    for (name, text) in [
        ("www/index.html", "<!doctype html>page"),
        ("www/page.js", "export {};"),
        ("www/pkg", "hidden by the longer address"),
        ("www/deep/index.html", "<!doctype html>deep"),
        ("pkg/x_bg.wasm", "\0asm"),
        ("secret", "secret"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

async fn serving(site: &tempfile::TempDir) -> Tracker {
    let mount = |path: &str, name| format!("{path}={}", site.path().join(name).display());
    let (page, package) = (mount("/volunteer", "www"), mount("/volunteer/pkg", "pkg"));
    Tracker::start(&["--files", &page, "--files", &package]).await
}

#[tokio::test]
async fn files_come_with_their_type_and_the_longest_address_wins() {
    let site = site();
    let tracker = serving(&site).await;
    for (address, kind, text) in [
        ("/volunteer/", "text/html", "<!doctype html>page"),
        ("/volunteer/deep/", "text/html", "<!doctype html>deep"),
        ("/volunteer/page.js", "text/javascript", "export {};"),
        ("/volunteer/pkg/x_bg.wasm", "application/wasm", "\0asm"),
    ] {
        let answer = tracker.get(address).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, text),
            "{address}"
        );
        assert_eq!(answer.header("content-type"), Some(kind), "{address}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let tag = answer.header("etag").expect("a tag");
        let again = tracker
            .request(Method::GET, address, &[("if-none-match", tag)])
            .await;
        assert_eq!(again.status, 304, "{address}");
    }
    let answer = tracker.get("/volunteer/deep").await;
    assert!(answer.status.is_redirection());
    assert_eq!(answer.header("location"), Some("./deep/"));
    let answer = tracker.get("/volunteer?x=1").await;
    assert_eq!(answer.header("location"), Some("./volunteer/?x=1"));
}

/// The targets of a page's links, as a browser resolves them: all attributes that contain
/// addresses.
fn links(page: &str, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["href=\"", "src=\""] {
        for rest in page.split(attribute).skip(1) {
            let target = rest.split('"').next().expect("an end");
            let target = target.split(['#', '?']).next().expect("an address");
            if target.is_empty() {
                continue;
            }
            assert!(
                !target.starts_with('/'),
                "{target} leaves the folder of the tracker"
            );
            let folder = at.rsplit_once('/').expect("a folder").0;
            let mut parts: Vec<&str> = folder.split('/').collect();
            for part in target.split('/') {
                match part {
                    "." => {}
                    ".." => {
                        parts.pop();
                    }
                    part => parts.push(part),
                }
            }
            let mut address = parts.join("/");
            if target.ends_with("./") || target == "." {
                address.push('/');
            }
            found.push(address.replace("//", "/"));
        }
    }
    found
}

#[tokio::test]
async fn behind_a_path_that_is_stripped_or_not_every_link_leads_to_the_tracker() {
    let site = site();
    let page = format!("/volunteer={}", site.path().join("www").display());
    let flags = [
        "--files",
        &page,
        "--volunteer-page",
        "/volunteer/",
        "--preview",
        "/volunteer/deep/",
    ];
    for base in ["", "/tracker", "/deep/in/the.site"] {
        let base_path = format!("--base-path={base}");
        let tracker = Tracker::start(&[&flags[..], &[base_path.as_str()]].concat()).await;
        let worker = tracker.get("/api/new?nickname=Ann&stage=b").await.json();
        let name = worker["display_name"].as_str().expect("a name").to_owned();
        for asked in ["/", "/leaderboard", &format!("/worker/gpu%20farm/{name}")] {
            let at = format!("{base}{asked}");
            let answer = tracker.get(&at).await;
            assert_eq!(answer.status, 200, "{at}");
            let links = links(answer.text(), &at);
            assert!(links.len() >= 6, "{links:?}");
            for link in links {
                assert!(
                    link.starts_with(&format!("{base}/")),
                    "{at} leads to {link}"
                );
                assert_eq!(tracker.get(&link).await.status, 200, "{at} leads to {link}");
            }
            // Where the proxy strips the path, the same page is requested without it.
            assert_eq!(tracker.get(asked).await.bytes, answer.bytes, "{asked}");
        }
        for (asked, location) in [
            ("/volunteer", "./volunteer/"),
            ("/volunteer/deep", "./deep/"),
        ] {
            let answer = tracker.get(&format!("{base}{asked}")).await;
            assert_eq!(answer.header("location"), Some(location), "{base}{asked}");
        }
        assert_eq!(
            tracker.get(&format!("{base}/nothing")).await.refusal().1,
            Some("not_found")
        );
        assert_eq!(
            tracker.get(&format!("{base}/api/project")).await.status,
            200
        );
        assert_eq!(
            tracker.get(&format!("{base}/healthz")).await.text(),
            "alive"
        );
    }
    let tracker = Tracker::start(&["--base-path=/deep/tracker/"]).await;
    let answer = tracker.get("/deep/tracker?a=2").await;
    assert_eq!(answer.header("location"), Some("./tracker/?a=2"));
    assert_eq!(tracker.get("/deep/trackers/").await.status, 404);
}

/// The body as it was before compression.
fn plain(answer: &support::Answer) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    match answer.header("content-encoding") {
        None => bytes.clone_from(&answer.bytes),
        Some("gzip") => {
            flate2::read::GzDecoder::new(&answer.bytes[..])
                .read_to_end(&mut bytes)
                .expect("gzip");
        }
        Some("br") => {
            brotli_decompressor::Decompressor::new(&answer.bytes[..], 4_096)
                .read_to_end(&mut bytes)
                .expect("brotli");
        }
        Some(other) => panic!("nobody asked for {other}"),
    }
    bytes
}

#[tokio::test]
async fn everything_is_compressed_for_those_who_accept_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "some words of a script that repeats itself\n".repeat(2_000);
    for name in [
        "page.html",
        "script.js",
        "style.css",
        "x.wasm",
        "x.json",
        "x.svg",
        "x.png",
    ] {
        std::fs::write(folder.path().join(name), &text).expect("a file");
    }
    std::fs::write(folder.path().join("small.js"), "export {};").expect("a file");
    let files = format!("/v={}", folder.path().display());
    let tracker = Tracker::start(&["--files", &files, "--public-results"])
        .await
        .with_jobs(&["1"])
        .await;
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker.hand_in(&token, &text).await;
    let ask = async |address: &str, headers: &[(&str, &str)]| {
        tracker.request(Method::GET, address, headers).await
    };
    for (address, compressed) in [
        ("/", true),
        ("/leaderboard", true),
        ("/assets/style.css", true),
        ("/assets/live.js", true),
        ("/api/openapi.json", true),
        ("/api/results?stage=a", true),
        ("/v/page.html", true),
        ("/v/script.js", true),
        ("/v/style.css", true),
        ("/v/x.wasm", true),
        ("/v/x.json", true),
        ("/v/x.svg", true),
        ("/v/x.png", false),
        ("/v/small.js", false),
        ("/api/project", false),
        ("/healthz", false),
    ] {
        let whole = ask(address, &[]).await;
        assert_eq!(whole.status, 200, "{address}");
        assert_eq!(whole.header("content-encoding"), None, "{address}");
        for (accepted, encoding) in [
            ("gzip", "gzip"),
            ("br", "br"),
            ("gzip, deflate, br, zstd", "br"),
            ("br;q=0.5, gzip;q=0.9", "gzip"),
            ("*;q=0.1, gzip", "gzip"),
            ("identity", ""),
            ("gzip;q=0, br;q=0", ""),
            ("deflate", ""),
        ] {
            // The second request of a kind is served from what the first one has cached.
            for _ in 0..2 {
                let answer = ask(address, &[("accept-encoding", accepted)]).await;
                assert_eq!(answer.status, 200, "{address} {accepted}");
                let expected = (compressed && !encoding.is_empty()).then_some(encoding);
                assert_eq!(
                    answer.header("content-encoding"),
                    expected,
                    "{address} {accepted}"
                );
                assert_eq!(plain(&answer), whole.bytes, "{address} {accepted}");
                let varies = answer.header("vary").unwrap_or_default().to_lowercase();
                assert_eq!(
                    varies.contains("accept-encoding"),
                    compressed,
                    "{address}: {varies}"
                );
                if expected.is_some() {
                    assert!(
                        answer.bytes.len() < whole.bytes.len(),
                        "{address} {accepted}"
                    );
                    let length = answer.header("content-length");
                    let right = answer.bytes.len().to_string();
                    assert!(length.is_none_or(|length| length == right), "{address}");
                }
                // A strong tag identifies one sequence of bytes; only a weak one may not.
                if let (Some(tag), true) = (answer.header("etag"), expected.is_some()) {
                    assert!(tag.starts_with("W/"), "{address}: {tag}");
                    let known = [("if-none-match", tag), ("accept-encoding", accepted)];
                    assert_eq!(ask(address, &known).await.status, 304, "{address}");
                }
            }
        }
    }

    // A range is a range of the uncompressed file.
    let part = [("range", "bytes=5-9"), ("accept-encoding", "gzip, br")];
    let answer = ask("/v/script.js", &part).await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.text(), &text[5..10]);

    // A file that has changed is not served from the cache.
    let accepted = [("accept-encoding", "br")];
    std::fs::write(folder.path().join("script.js"), text.to_uppercase()).expect("a file");
    assert_eq!(
        plain(&ask("/v/script.js", &accepted).await),
        text.to_uppercase().as_bytes()
    );
    let head = tracker
        .request(Method::HEAD, "/v/script.js", &accepted)
        .await;
    assert_eq!((head.status.as_u16(), head.bytes.len()), (200, 0));
}

#[tokio::test]
async fn nothing_outside_the_folder_is_served_and_no_folder_is_listed() {
    let site = site();
    #[cfg(unix)]
    std::os::unix::fs::symlink(site.path().join("secret"), site.path().join("www/link"))
        .expect("a link");
    let tracker = serving(&site).await;
    for address in [
        "/volunteer/../secret",
        "/volunteer/%2e%2e/secret",
        "/volunteer/..%2fsecret",
        "/volunteer/deep/../../secret",
        "/volunteer/..%5csecret",
        "/volunteer//secret",
        "/volunteer/link",
        "/volunteer/missing.js",
        "/volunteer/pkg/",
        "/volunteer/pkg",
        "/volunteer/%00",
    ] {
        let answer = tracker.get(address).await;
        assert!(!answer.text().contains("secret"), "{address}");
        assert!(
            answer.status.is_client_error() || answer.status.is_redirection(),
            "{address}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn the_last_hour_is_drawn_and_summarized() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1", "2", "3"]).await;
    let page = tracker.get("/").await;
    assert!(page.text().contains("No results in the last hour."));
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker.hand_in(&token, "x").await;
    tracker.clock.advance(59 * 60_000);
    for _ in 0..2 {
        tracker.take(&token).await;
        tracker.hand_in(&token, "x").await;
    }
    let page = tracker.get("/").await;
    let sentence = "3 results in the last hour, at most 2 in a minute.";
    assert!(page.text().contains(sentence), "{}", page.text());
    assert_eq!(page.text().matches("<rect").count(), 60);
    assert!(page.text().contains("1 59 min ago"), "{}", page.text());
    assert!(page.text().contains("2 this minute"), "{}", page.text());
    // The chart explains its bars.
    for label in [
        "<span>2</span><span>0</span>",
        "Results a minute",
        "an hour ago",
        "now",
    ] {
        assert!(page.text().contains(label), "{label}: {}", page.text());
    }
    tracker.clock.advance(60_000);
    let page = tracker.get("/").await;
    assert!(page.text().contains("2 results in the last hour"));
}

#[tokio::test]
async fn browsers_that_disagree_are_shown_those_first_that_do_so_most_often() {
    let tracker = Tracker::start(&[]).await;
    let database = rusqlite::Connection::open(tracker.database()).expect("the database");
    let add =
        "insert into browser_pairs (stage, one, other, agreed, differed) values (?, ?, ?, ?, ?)";
    for pair in [
        (0, EVIL, "Safari on macOS", 0, 1),
        (0, "Chrome on Linux", "Safari on iOS", 1_200, 34),
        (1, "Chrome on macOS", "Firefox on Windows", 500, 0),
    ] {
        database.execute(add, pair).expect("a row");
    }
    let page = tracker.get("/").await;
    let mut rest = page.text();
    for part in [
        "Browsers that disagree",
        "Chrome on Linux",
        "Safari on iOS",
        ">a<",
        ">34 of 1,234<",
        "&lt;img src=x",
        "Safari on macOS",
    ] {
        let (_, after) = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("no {part} in {rest}"));
        rest = after;
    }
    assert!(!page.text().contains("<img"));
    assert!(!page.text().contains("Firefox on Windows"), "these agree");
    let other = Tracker::start(&[]).await.get("/").await;
    assert!(!other.text().contains("Browsers that disagree"));
}

#[tokio::test]
async fn a_setup_that_fails_is_shown_and_belongs_to_no_job() {
    let tracker = Tracker::start(&[]).await;
    let ann = tracker.join("a", "Ann").await;
    let says = json!({ "token": ann, "seq": 1, "setup_failed": "Error: no <model>" });
    assert_eq!(tracker.post("sync", says).await.status, 200);
    let dashboard = tracker.get("/").await;
    for shown in [
        "Latest failures",
        ">setup<",
        "Error: no &lt;model&gt;",
        "Ann",
    ] {
        assert!(dashboard.text().contains(shown), "{shown}");
    }
    assert!(!dashboard.text().contains("/job/0"));
    assert_eq!(tracker.get("/job/0").await.status, 404);
}

#[tokio::test]
async fn failures_are_shown_from_the_first_one_on_and_each_job_has_a_page() {
    for public in [true, false] {
        let flag = format!("--public-results={public}");
        let tracker = Tracker::start(&[&flag])
            .await
            .with_jobs(&["<b>input</b>"])
            .await;
        let ann = tracker.join("a", "Ann%20%3Ci%3E").await;
        let answer = tracker
            .post("sync", json!({ "token": ann, "seq": 1, "want": 1 }))
            .await;
        let lease = answer.json()["jobs"][0]["lease"].clone();
        assert!(!tracker.get("/").await.text().contains("Latest failures"));
        let error = "RangeError: bad <range>\n    at work.js:7";
        tracker
            .post(
                "sync",
                json!({ "token": ann, "seq": 2, "failed": [{ "lease": lease, "error": error }] }),
            )
            .await;
        let dashboard = tracker.get("/").await;
        for shown in [
            "Latest failures",
            "href=\"./job/1\"",
            "RangeError: bad &lt;range&gt;",
            "Ann &lt;i&gt;",
        ] {
            assert!(dashboard.text().contains(shown), "{shown}");
        }
        let page = tracker.get("/job/1").await;
        assert_eq!(page.status, 200);
        for shown in ["Job #1", "RangeError: bad &lt;range&gt;", "failed", "open"] {
            assert!(page.text().contains(shown), "{shown}");
        }
        let input = "&lt;b&gt;input&lt;/b&gt;";
        assert_eq!(page.text().contains(input), public);
        for unknown in ["/job/2", "/job/x", "/job/18446744073709551615"] {
            assert_eq!(tracker.get(unknown).await.status, 404, "{unknown}");
        }
    }
}
