//! The client files that the tracker serves, without a socket; with or without an embedded client.

mod support;

use distcompute_tracker::http::handlers::client::version;
use support::Tracker;

const SCRIPT: &str = "distcompute_client.js";

#[tokio::test]
async fn pages_of_all_origins_may_import_the_client_and_keep_it() {
    let tracker = Tracker::start(&["--cors-origin", "https://elsewhere.example"]).await;
    let Some(version) = version() else {
        for path in ["/client/", "/client/distcompute_client.js"] {
            let answer = tracker.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            assert!(answer.text().contains("npm run build"), "{path}");
        }
        return;
    };
    for (name, kind) in [
        (SCRIPT, "text/javascript; charset=utf-8"),
        ("distcompute_client_bg.wasm", "application/wasm"),
        ("distcompute_volunteer.js", "text/javascript; charset=utf-8"),
        (
            "distcompute_volunteer_ar.js",
            "text/javascript; charset=utf-8",
        ),
        ("distcompute_client.d.ts", "text/plain; charset=utf-8"),
    ] {
        let answer = tracker.get(&format!("/client/{version}/{name}")).await;
        assert_eq!(answer.status, 200, "{name}");
        for (header, value) in [
            ("content-type", kind),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{name}: {header}");
        }
        let listed = format!("{version}/{name}");
        assert!(tracker.get("/client/").await.text().contains(&listed));
    }
}

#[tokio::test]
async fn addresses_that_outlive_an_upgrade_lead_to_the_client_that_is_there() {
    let tracker = Tracker::start(&[]).await;
    let plain = version().and_then(|version| version.split('-').next());
    let released = format!("/client/{}/{SCRIPT}", plain.unwrap_or("0.1.0"));
    let expected = version().map(|version| format!("../{version}/{SCRIPT}"));
    let answer = tracker.get(&released).await;
    assert_eq!(answer.header("location"), expected.as_deref());
    let expected = version().map(|version| format!("./{version}/{SCRIPT}"));
    let answer = tracker.get(&format!("/client/{SCRIPT}")).await;
    assert_eq!(answer.header("location"), expected.as_deref());
    for nothing in ["/client/99.0.0/distcompute_client.js", "/client/x.js"] {
        let answer = tracker.get(nothing).await;
        assert_eq!(answer.status, 404, "{nothing}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}
