//! The job protocol over HTTP, without a socket: statuses, texts, headers, invalid input.

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::Tracker;

const UNKNOWN: &str = "The server could not find this worker. Did the worker time out?";

#[tokio::test]
async fn a_registration_says_what_the_protocol_says() {
    let tracker = Tracker::start(&[]).await;
    let answer = tracker.get("/api/new?nickname=Ann&stage=b").await;
    let worker = answer.json();
    assert_eq!(worker["project"], "Test & Co");
    assert_eq!(worker["stage_name"], "GPU Farm");
    assert_eq!(worker["token"].as_str().map(str::len), Some(36));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("distcompute-error"), None);
}

#[tokio::test]
async fn a_stage_is_checked_after_the_parameters_are_there() {
    let tracker = Tracker::start(&[]).await;
    assert_eq!(
        tracker.get("/api/new?nickname=x&stage=A").await.refusal(),
        (
            400,
            Some("stage_invalid"),
            "Invalid worker stage: 'A'. Choose from 'a'/'b'/'c'/'d'/'e'."
        )
    );
    assert_eq!(
        tracker.get("/api/new?nickname=x&stage=c").await.refusal(),
        (
            400,
            Some("stage_disabled"),
            "The worker stage 'c' is disabled."
        )
    );
    let missing = tracker.get("/api/new?stage=zzz").await;
    assert_eq!(missing.status, 422);
    assert_eq!(
        missing.json(),
        json!({"detail": [{"type": "missing", "loc": ["query", "nickname"],
            "msg": "Field required", "input": null}]})
    );
    assert_eq!(tracker.get("/api/jobCount").await.status, 422);
    assert_eq!(tracker.get("/api/jobCount?stage=f").await.status, 400);
    assert_eq!(tracker.get("/api/jobCount?stage=e").await.text(), "0");
}

#[tokio::test]
async fn a_job_becomes_the_next_stages_input_and_then_a_result() {
    let tracker = Tracker::start(&["--public-results"])
        .await
        .with_jobs(&["in"])
        .await;
    let first = tracker.join("a", "Ann").await;
    let job = tracker.post("newJob", json!({ "token": first })).await;
    assert_eq!(job.json(), json!({"data": "in", "number": 1}));
    assert_eq!(tracker.get("/api/jobCount?stage=a").await.text(), "0");
    assert_eq!(tracker.hand_in(&first, "middle").await.text(), "200 OK");
    let second = tracker.join("b", "Bob").await;
    let job = tracker.post("newJob", json!({ "token": second })).await;
    assert_eq!(job.json()["data"], "middle");
    tracker.hand_in(&second, "out").await;
    let results = tracker.get("/api/results?stage=b").await;
    assert_eq!(
        results.text(),
        "{\"cursor\":2,\"number\":1,\"data\":\"out\"}\n"
    );
    let status = tracker.get("/api/status").await.json();
    assert_eq!((&status["jobs"], &status["closed"]), (&json!(1), &json!(1)));
    assert_eq!(status["estimate_s"], 0);
    assert_eq!(status["stages"][0]["done"], 1);
    assert_eq!(status["stages"][1]["workers"], 1);
}

#[tokio::test]
async fn results_are_paged_in_the_order_of_completion_and_not_public_unless_asked_for() {
    let tracker = Tracker::start(&["--public-results"])
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let tokens = [tracker.join("a", "x").await, tracker.join("a", "y").await];
    for token in &tokens {
        tracker.take(token).await;
    }
    tracker.hand_in(&tokens[1], "second first").await;
    tracker.hand_in(&tokens[0], "first second").await;
    let page = tracker.get("/api/results?stage=a&limit=1").await;
    assert_eq!(
        page.text(),
        "{\"cursor\":1,\"number\":2,\"data\":\"second first\"}\n"
    );
    let page = tracker.get("/api/results?stage=a&after=1").await;
    assert_eq!(
        page.text(),
        "{\"cursor\":2,\"number\":1,\"data\":\"first second\"}\n"
    );
    assert_eq!(tracker.get("/api/results?stage=a&after=2").await.text(), "");
    assert_eq!(
        tracker.get("/api/results?stage=a&after=-1").await.status,
        422
    );
    assert_eq!(
        tracker.get("/api/results?stage=a&limit=0").await.status,
        422
    );
    assert_eq!(tracker.get("/api/results").await.status, 422);

    let closed = Tracker::start(&[]).await;
    let answer = closed.get("/api/results?stage=a").await;
    let (status, code, text) = answer.refusal();
    assert_eq!((status, code), (401, Some("not_allowed")));
    assert!(text.contains("--public-results"), "{text}");
}

#[tokio::test]
async fn an_unknown_token_is_refused_by_every_call_but_validate_worker() {
    let tracker = Tracker::start(&[]).await;
    let token = "00000000-0000-4000-8000-000000000000";
    for call in [
        "newJob",
        "updateProgress",
        "completeJob",
        "flagInvalidData",
        "bye",
    ] {
        let body = json!({"token": token, "progress": "x", "data": "x"});
        let answer = tracker.post(call, body).await;
        assert_eq!(
            answer.refusal(),
            (404, Some("worker_unknown"), UNKNOWN),
            "{call}"
        );
    }
    assert_eq!(
        tracker
            .post("validateWorker", json!({ "token": token }))
            .await
            .text(),
        "False"
    );
    let token = tracker.join("a", "x").await;
    assert_eq!(
        tracker
            .post("validateWorker", json!({ "token": token }))
            .await
            .text(),
        "True"
    );
}

#[tokio::test]
async fn what_a_worker_does_not_hold_it_can_neither_complete_nor_flag() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1", "2"]).await;
    let token = tracker.join("a", "x").await;
    assert_eq!(
        tracker.hand_in(&token, "x").await.refusal(),
        (403, Some("no_open_job"), "You do not have an open job.")
    );
    assert_eq!(
        tracker
            .post("flagInvalidData", json!({ "token": token }))
            .await
            .refusal(),
        (
            403,
            Some("not_working"),
            "This worker is not currently working on a job."
        )
    );
    tracker.take(&token).await;
    for call in ["completeJob", "flagInvalidData"] {
        let wrong = json!({"token": token, "data": "x", "number": 2});
        let answer = tracker.post(call, wrong).await;
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.header("distcompute-error"),
            Some("wrong_job"),
            "{call}"
        );
    }
    let right = json!({"token": token, "data": "x", "number": 1});
    assert_eq!(tracker.post("completeJob", right).await.text(), "200 OK");
}

#[tokio::test]
async fn no_open_job_is_reported_with_the_protocols_text() {
    let tracker = Tracker::start(&[]).await;
    let token = tracker.join("a", "x").await;
    let answer = tracker.post("newJob", json!({ "token": token })).await;
    assert_eq!(
        answer.refusal(),
        (
            403,
            Some("no_jobs"),
            "Either there are no new jobs available, or there was an error whilst finding a job. \
             Keep retrying, as jobs are dynamically created."
        )
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}

#[tokio::test]
async fn bodies_that_are_not_what_the_call_takes_are_422_with_the_fault_named() {
    let tracker = Tracker::start(&[]).await;
    let token = tracker.join("a", "x").await;
    let deep = "[".repeat(100_000);
    let nul = format!(r#"{{"token":"{token}","data":"a\u0000"}}"#);
    let surrogate = format!(r#"{{"token":"{token}","data":"\ud800"}}"#);
    for (body, kind, at) in [
        ("", "missing", json!(["body"])),
        ("{", "json_invalid", json!(["body"])),
        ("[]", "model_attributes_type", json!(["body"])),
        ("null", "model_attributes_type", json!(["body"])),
        ("7", "model_attributes_type", json!(["body"])),
        (r#"{"data":"x"}"#, "missing", json!(["body", "token"])),
        (
            r#"{"token":null,"data":"x"}"#,
            "string_type",
            json!(["body", "token"]),
        ),
        (r#"{"token":"t"}"#, "missing", json!(["body", "data"])),
        (
            r#"{"token":"t","data":null}"#,
            "string_type",
            json!(["body", "data"]),
        ),
        (
            r#"{"token":"t","data":{}}"#,
            "string_type",
            json!(["body", "data"]),
        ),
        (
            r#"{"token":"t","data":"x","number":"1"}"#,
            "int_type",
            json!(["body", "number"]),
        ),
        (
            r#"{"token":"t","data":"x","number":-1}"#,
            "int_type",
            json!(["body", "number"]),
        ),
        (&deep, "json_invalid", json!(["body"])),
        (&nul, "value_error", json!(["body", "data"])),
        (&surrogate, "json_invalid", json!(["body"])),
    ] {
        let answer = tracker
            .post_raw("completeJob", "application/json", body.into())
            .await;
        let short = &body[..body.len().min(60)];
        assert_eq!(answer.status, 422, "{short}");
        assert_eq!(answer.header("distcompute-error"), Some("invalid_request"));
        let fault = &answer.json()["detail"][0];
        assert_eq!(
            (&fault["type"], &fault["loc"]),
            (&json!(kind), &at),
            "{short}"
        );
    }
    let body = format!(r#"{{"token":"{token}","data":"x"}}"#);
    let answer = tracker
        .post_raw("completeJob", "text/plain", body.into())
        .await;
    assert_eq!(answer.status, 422);
    let answer = tracker
        .post_raw("completeJob", "application/json", vec![b'"', 0xff, b'"'])
        .await;
    assert_eq!(answer.status, 422);
}

#[tokio::test]
async fn a_nickname_that_cannot_be_kept_is_422_and_an_empty_one_is_anonymous() {
    let tracker = Tracker::start(&[]).await;
    for bad in ["a%00b".to_owned(), "x".repeat(129)] {
        let answer = tracker
            .get(&format!("/api/new?stage=a&nickname={bad}"))
            .await;
        assert_eq!(answer.status, 422);
        assert_eq!(
            answer.json()["detail"][0]["loc"],
            json!(["query", "nickname"])
        );
    }
    let token = tracker.join("a", "%20").await;
    assert_eq!(token.len(), 36);
    assert!(
        tracker
            .get("/")
            .await
            .text()
            .contains("<bdi>anonymous</bdi>")
    );
}

#[tokio::test]
async fn long_progress_is_cut_and_marked_not_refused() {
    let tracker = Tracker::start(&[]).await;
    let token = tracker.join("a", "x").await;
    let body = json!({"token": token, "progress": "ä".repeat(10_000)});
    assert_eq!(tracker.post("updateProgress", body).await.text(), "200 OK");
    let page = tracker.get("/").await;
    assert!(
        page.text()
            .contains(&format!("<bdi>{}…</bdi>", "ä".repeat(254)))
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_the_job_stays() {
    let tracker = Tracker::start(&["--max-body", "1000"])
        .await
        .with_jobs(&["1"])
        .await;
    let token = tracker.join("a", "x").await;
    tracker.take(&token).await;
    let answer = tracker.hand_in(&token, &"x".repeat(1_001)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("distcompute-error"), Some("too_large"));
    assert_eq!(tracker.hand_in(&token, "x").await.text(), "200 OK");
}

#[tokio::test]
async fn unknown_addresses_and_wrong_methods_are_refused_with_the_protocols_text() {
    let tracker = Tracker::start(&[]).await;
    for address in ["/api/nothing", "/nothing", "/api", "/api/new/"] {
        let answer = tracker.get(address).await;
        assert_eq!(
            answer.refusal(),
            (404, Some("not_found"), "Not Found"),
            "{address}"
        );
    }
    for (method, address) in [
        (Method::POST, "/api/new"),
        (Method::GET, "/api/newJob"),
        (Method::DELETE, "/api/bye"),
        (Method::HEAD, "/api/new?nickname=x&stage=a"),
        (Method::OPTIONS, "/api/newJob"),
        (Method::POST, "/"),
    ] {
        let answer = tracker.request(method.clone(), address, &[]).await;
        assert_eq!(answer.status, 405, "{method} {address}");
        assert_eq!(
            answer.header("distcompute-error"),
            Some("method_not_allowed")
        );
    }
    assert_eq!(
        tracker.get("/api/status").await.json()["stages"][0]["workers"],
        0
    );
}

#[tokio::test]
async fn a_page_of_another_origin_may_call_and_asks_first_only_every_two_hours() {
    let tracker = Tracker::start(&[]).await;
    let asked = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = tracker
        .request(Method::OPTIONS, "/api/newJob", &asked)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-max-age"), Some("7200"));
    assert!(
        answer
            .header("access-control-allow-headers")
            .expect("some")
            .contains("content-type")
    );
    let answer = tracker
        .request(Method::GET, "/api/nothing", &asked[..1])
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let exposed = answer
        .header("access-control-expose-headers")
        .expect("exposed headers");
    assert!(
        exposed.contains("distcompute-error") && exposed.contains("retry-after"),
        "{exposed}"
    );
}

#[tokio::test]
async fn origins_can_be_limited_to_a_list() {
    let tracker = Tracker::start(&["--cors-origin", "https://one.example"]).await;
    let from = async |origin| {
        let answer = tracker
            .request(Method::GET, "/api/project", &[("origin", origin)])
            .await;
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    assert_eq!(
        from("https://one.example").await.as_deref(),
        Some("https://one.example")
    );
    assert_eq!(from("https://two.example").await, None);
}

#[tokio::test]
async fn the_project_is_described_for_pages_that_show_it() {
    let tracker = Tracker::start(&["--description", "What & why"]).await;
    assert_eq!(
        tracker.get("/api/project").await.json(),
        json!({"project": "Test & Co", "description": "What & why", "stages": [
            {"stage": "a", "name": "CPU"}, {"stage": "b", "name": "GPU Farm"}]})
    );
    let status = tracker.get("/api/status").await.json();
    assert_eq!(status["estimate_s"], 0);
    assert_eq!(status["stages"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["set_aside"], 0);
}

#[tokio::test]
async fn an_estimate_is_given_once_every_stage_has_a_pace() {
    let tracker = Tracker::start(&[])
        .await
        .with_jobs(&["1", "2", "3", "4"])
        .await;
    let (first, second) = (tracker.join("a", "x").await, tracker.join("b", "y").await);
    tracker.take(&first).await;
    tracker.hand_in(&first, "x").await;
    assert_eq!(
        tracker.get("/api/status").await.json()["estimate_s"],
        Value::Null
    );
    tracker.take(&second).await;
    tracker.hand_in(&second, "x").await;
    tracker.clock.advance(60_000);
    // One result per stage in sixty seconds, and three jobs to go.
    assert_eq!(tracker.get("/api/status").await.json()["estimate_s"], 180);

    // The last volunteer leaves, so there is no estimate any more.
    let unknown = async || {
        let status = tracker.get("/api/status").await.json();
        assert_eq!(status["estimate_s"], Value::Null);
        status["estimate_unknown"]
            .as_str()
            .expect("a reason")
            .to_owned()
    };
    for token in [&first, &second] {
        tracker.post("bye", json!({ "token": token })).await;
    }
    assert_eq!(unknown().await, "no_volunteers");
    let page = tracker.get("/").await;
    assert!(
        page.text().contains("unknown: no volunteers are here"),
        "{}",
        page.text()
    );

    // Three jobs are left, and each fails with every volunteer.
    let registered = tracker.get("/api/new?nickname=z&stage=a").await.json();
    let token = registered["token"].as_str().expect("a token").to_owned();
    let answer = tracker
        .post("sync", json!({ "token": token, "seq": 1, "want": 3 }))
        .await
        .json();
    let jobs = answer["jobs"].as_array().expect("jobs").clone();
    assert_eq!(jobs.len(), 3);
    assert_eq!(tracker.get("/api/status").await.json()["estimate_s"], 180);
    let failed: Vec<_> = jobs
        .iter()
        .map(|job| json!({ "lease": job["lease"], "error": "boom" }))
        .collect();
    tracker
        .post(
            "sync",
            json!({ "token": token, "seq": 2, "failed": failed }),
        )
        .await;
    assert_eq!(unknown().await, "only_failing");
}

#[tokio::test]
async fn jobs_at_a_stage_that_is_no_longer_enabled_are_shown_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let tracker = Tracker::start_in(folder, &[])
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let token = tracker.join("a", "Ann").await;
    for _ in 0..2 {
        tracker.take(&token).await;
        tracker.hand_in(&token, "x").await;
    }
    assert_eq!(
        tracker.get("/api/status").await.json()["disabled"],
        json!([])
    );
    // The operator removes stage b from the configuration.
    let tracker = tracker.restarted(&["serve", "--stage", "a=CPU"]).await;
    let status = tracker.get("/api/status").await.json();
    assert_eq!(status["stages"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["disabled"][0]["stage"], "b");
    assert_eq!(status["disabled"][0]["jobs"], 2);
    let remedy = status["disabled"][0]["remedy"]
        .as_str()
        .expect("a sentence");
    assert!(remedy.contains("Enable stage b again"), "{remedy}");
    assert_eq!(status["estimate_s"], Value::Null);
    assert_eq!(status["estimate_unknown"], "stage_disabled");
    let page = tracker.get("/").await;
    for text in [
        "is not enabled, and 2 jobs wait at it.",
        "Enable stage b again",
        "unknown: jobs wait at a stage that is not enabled",
    ] {
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    // And adds it again.
    let tracker = tracker
        .restarted(&["serve", "--stage", "a=CPU", "--stage", "b=GPU"])
        .await;
    let status = tracker.get("/api/status").await.json();
    assert_eq!(
        (&status["disabled"], &status["stages"][1]["open"]),
        (&json!([]), &json!(2))
    );
}

#[tokio::test]
async fn a_registration_announces_sync_and_a_sync_does_everything_at_once() {
    let flags = ["--app-version=v7", "--lease-s=60", "--max-body=70000"];
    let tracker = Tracker::start(&flags)
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let worker = tracker.get("/api/new?nickname=Ann&stage=a").await.json();
    assert_eq!(worker["extensions"], json!(["sync", "files"]));
    assert_eq!(
        (&worker["lease_s"], &worker["max_body"]),
        (&json!(60), &json!(70_000))
    );
    assert_eq!(worker["app_version"], "v7");
    let token = &worker["token"];
    let asked = tracker
        .post("sync", json!({ "token": token, "seq": 5, "want": 2 }))
        .await
        .json();
    let jobs = asked["jobs"].as_array().expect("jobs");
    assert_eq!(
        (jobs.len(), &jobs[1]["data"], &jobs[1]["attempt"]),
        (2, &json!("2"), &json!(1))
    );
    assert_eq!(
        (&jobs[0]["lease_s"], &asked["open"]),
        (&json!(60), &json!(1))
    );
    let lease = &jobs[0]["lease"];
    let done = json!({
        "token": token, "seq": 6, "want": 9,
        "done": [{ "lease": lease, "data": "out" }, { "lease": "no\0lease", "data": "x" }],
        "holding": [jobs[1]["lease"], "5-gone"],
        "progress": [{ "lease": jobs[1]["lease"], "text": "half" }],
    });
    let answer = tracker.post("sync", done).await.json();
    assert_eq!(answer["accepted"], json!([lease]));
    assert_eq!(
        answer["rejected"],
        json!([{ "lease": "no\0lease", "why": "unknown" }])
    );
    assert_eq!(answer["lost"], json!(["5-gone"]));
    assert_eq!(
        (&answer["jobs"][0]["number"], &answer["app_version"]),
        (&json!(3), &json!("v7"))
    );
    let late = tracker
        .post("sync", json!({ "token": token, "seq": 5 }))
        .await;
    assert_eq!(
        (late.status.as_u16(), late.header("distcompute-error")),
        (409, Some("superseded"))
    );
    let unknown = tracker
        .post("sync", json!({ "token": "x", "seq": 5 }))
        .await;
    assert_eq!(unknown.refusal(), (404, Some("worker_unknown"), UNKNOWN));
}

#[tokio::test]
async fn a_sync_that_cannot_be_is_refused_with_a_sentence() {
    let tracker = Tracker::start(&[]).await;
    let token = tracker.join("a", "Ann").await;
    let many = vec!["1-x"; 4_097];
    for body in [
        json!({ "token": token, "seq": 1, "holding": many }),
        json!({ "token": token, "seq": u64::MAX }),
        json!({ "token": token, "seq": -1 }),
        json!({ "token": token }),
        json!({ "token": null, "seq": 1 }),
        json!({ "token": token, "seq": 1, "done": [{ "lease": "1-x" }] }),
        json!({ "token": token, "seq": 1, "holding": [7] }),
    ] {
        let answer = tracker.post("sync", body).await;
        assert_eq!(answer.header("distcompute-error"), Some("invalid_request"));
        assert_eq!(answer.status.as_u16(), 422);
        assert!(
            answer.json()["detail"][0]["msg"]
                .as_str()
                .is_some_and(|msg| !msg.is_empty())
        );
    }
    assert_eq!(
        tracker
            .post("sync", json!({ "token": token, "seq": 1 }))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn u_0000_is_refused_before_it_meets_the_database() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1"]).await;
    let token = tracker.join("a", "Ann").await;
    let answer = tracker
        .post("sync", json!({ "token": "\0", "seq": 1 }))
        .await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.header("distcompute-error"), Some("invalid_request"));
    for call in ["validateWorker", "newJob", "bye", "flagInvalidData"] {
        assert_eq!(
            tracker.post(call, json!({ "token": "\0" })).await.status,
            422,
            "{call}"
        );
    }
    for address in ["/worker/a/%00", "/api/%00", "/%00"] {
        assert_eq!(tracker.get(address).await.status, 422, "{address}");
    }
    // One output is refused; the others of the same request count.
    let held = tracker
        .post("sync", json!({ "token": token, "seq": 2, "want": 1 }))
        .await
        .json();
    let lease = &held["jobs"][0]["lease"];
    let done = json!([{ "lease": lease, "data": "\0" }]);
    let answer = tracker
        .post("sync", json!({ "token": token, "seq": 3, "done": done }))
        .await;
    assert_eq!(
        answer.json()["rejected"],
        json!([{ "lease": lease, "why": "invalid" }])
    );
}

#[tokio::test]
async fn fields_that_a_call_does_not_know_are_passed_over_and_calls_without_data_are_small() {
    let tracker = Tracker::start(&[]).await;
    let token = tracker.join("a", "Ann").await;
    let body = format!(r#"{{"z":{{"a":[1,"x",null]}},"token":"t","token":"{token}","":0}}"#);
    let answer = tracker
        .post_raw("validateWorker", "application/json", body.into())
        .await;
    assert_eq!(answer.text(), "True");
    let body = json!({ "token": token, "z": "x".repeat(64 * 1024) });
    for call in [
        "validateWorker",
        "newJob",
        "updateProgress",
        "flagInvalidData",
        "bye",
    ] {
        let answer = tracker.post(call, body.clone()).await;
        assert_eq!(answer.status, 413, "{call}");
        assert_eq!(answer.header("distcompute-error"), Some("too_large"));
    }
}

#[tokio::test]
async fn no_answer_is_larger_than_the_largest_body_but_for_one_job() {
    let tracker = Tracker::start(&["--max-body=50000", "--public-results"]).await;
    // In JSON, each of these characters takes two bytes.
    let heavy: Vec<String> = (0..12).map(|_| "\"".repeat(9_000)).collect();
    let mut inputs: Vec<&str> = heavy.iter().map(String::as_str).collect();
    let huge = "x".repeat(80_000);
    inputs.push(&huge);
    let tracker = tracker.with_jobs(&inputs).await;
    let token = tracker.join("a", "Ann").await;
    let mut jobs = Vec::new();
    let mut done: Vec<Value> = Vec::new();
    for seq in 1..40 {
        // A client that does not report how much it can receive.
        let sync = json!({ "token": token, "seq": seq, "want": 512, "done": done });
        let answer = tracker.post("sync", sync).await;
        let reply = answer.json();
        let granted = reply["jobs"].as_array().expect("jobs").clone();
        assert!(answer.bytes.len() <= 50_000 || granted.len() == 1);
        let is_last = jobs.len() + granted.len() == 13;
        assert_eq!(
            reply["left_bytes"] == json!(0),
            is_last,
            "{}",
            reply["left_bytes"]
        );
        done = granted
            .iter()
            .map(|job| json!({ "lease": job["lease"], "data": "\n".repeat(4_000) }))
            .collect();
        jobs.extend(granted);
        if is_last {
            break;
        }
    }
    let numbers: Vec<_> = jobs.iter().map(|job| job["number"].clone()).collect();
    assert_eq!(numbers, (1..=13).map(|n| json!(n)).collect::<Vec<_>>());
    let sync = json!({ "token": token, "seq": 50, "done": done });
    assert_eq!(tracker.post("sync", sync).await.status, 200);

    // Results likewise: those that do not fit follow after the cursor.
    let (mut after, mut pages, mut lines) = (0, 0, 0);
    loop {
        let page = tracker
            .get(&format!("/api/results?stage=a&limit=10000&after={after}"))
            .await;
        let Some(last) = page.text().lines().last() else {
            break;
        };
        assert!(page.bytes.len() <= 50_000);
        let last: Value = serde_json::from_str(last).expect("a line");
        after = last["cursor"].as_u64().expect("a cursor");
        (pages, lines) = (pages + 1, lines + page.text().lines().count());
    }
    assert_eq!((lines, pages > 1), (13, true));
}
