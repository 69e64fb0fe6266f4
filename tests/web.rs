//! The client in a real browser, in a dedicated worker, against real servers of another origin:
//! our tracker, and one that misbehaves (`tests/faulty`). `npm test` starts both.

#![cfg(target_family = "wasm")]

#[path = "web/support.rs"]
#[allow(dead_code, reason = "what the other browser tests need besides")]
mod support;

use distcompute_client::web::client;
use distcompute_engine::client::proof::{PublicKey, Purpose, unsigned};
use js_sys::{Array, Function, Promise, Reflect};
use support::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};
use web_sys::AbortController;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn within(ms: u32) -> JsValue {
    object(&[("timeoutMs", ms.into())])
}

fn until(controller: &AbortController) -> JsValue {
    object(&[("signal", controller.signal().into())])
}

async fn goes_through_every_call(url: &str, project: &str) {
    let client = init(&[
        ("url", format!("{url}//").into()),
        ("stage", "A stage".into()),
        ("nickname", "Pod 3 & \u{1F600}".into()),
        ("verbose", false.into()),
    ])
    .await
    .expect("joins");
    assert_eq!(text(&client, "url"), url);
    assert_eq!(text(&client, "stage"), "a");
    assert_eq!(text(&client, "stageName"), "CPU");
    assert_eq!(text(&client, "nickname"), "Pod 3 & \u{1F600}");
    assert_eq!(text(&client, "project"), project);
    assert_eq!(text(&client, "projectName"), project);
    let name = text(&client, "displayName");
    assert_eq!(
        text(&client, "workerUrl"),
        format!("{url}/worker/cpu/{name}")
    );
    assert!(get(&client, "job").is_null() && get(&client, "jobId").is_null());

    let count = call(&client, "jobCount", &[]).await.expect("a count");
    assert!(count.as_f64().expect("a number") >= 1.0);

    let mut kinds = (false, false);
    for _ in 0..4 {
        let job = call(&client, "newJob", &[]).await.expect("a job");
        assert!(js_sys::Object::is(&job, &get(&client, "job")));
        let number = get(&client, "jobId").as_f64().expect("a number");
        match job.as_string() {
            Some(shard) => {
                kinds.0 = true;
                assert_eq!(shard, format!("shard_{number}.tar"));
            }
            None => {
                kinds.1 = true;
                assert_eq!(get(&job, "shard").as_f64(), Some(number));
            }
        }
        call(&client, "log", &["1 / 2".into()]).await.expect("logs");
        let output = object(&[("found", 3.into()), ("name", "<b>".into())]);
        call(&client, "completeJob", &[output]).await.expect("done");
        assert!(get(&client, "job").is_null() && get(&client, "jobId").is_null());
    }
    assert_eq!(kinds, (true, true), "both kinds of data must have come");

    call(&client, "newJob", &[]).await.expect("a job");
    call(&client, "flagInvalidData", &[]).await.expect("flags");
    assert!(get(&client, "job").is_null());

    let alive = call(&client, "isAlive", &[]).await;
    assert_eq!(alive, Ok(JsValue::TRUE));
    call(&client, "newJob", &[]).await.expect("a job");
    call(&client, "bye", &[]).await.expect("leaves");
    call(&client, "bye", &[]).await.expect("leaves again");
    assert!(get(&client, "job").is_null());
    let alive = call(&client, "isAlive", &[]).await;
    assert_eq!(alive, Ok(JsValue::FALSE));
    let late = call(&client, "newJob", &[]).await;
    assert_eq!(fault(late), named("WorkerTimedOutError", "worker_unknown"));
}

#[test]
async fn a_worker_goes_through_every_call_at_our_tracker() {
    goes_through_every_call(&server("tracker").await, "Wasm tests").await;
}

#[test]
async fn a_worker_goes_through_every_call_at_a_tracker_of_the_old_protocol() {
    let old = Faulty::at("old").await;
    goes_through_every_call(&old.url(), "An older project").await;
    let completed = old.seen("completeJob").await;
    assert_eq!(
        text(&completed[0], "data"),
        "<!json!>{\"found\":3,\"name\":\"<b>\"}"
    );
    assert_eq!(get(&completed[0], "number").as_f64(), Some(1.0));
}

/// Calls a function of the package's script for storage.
async fn storage(name: &str, given: &[JsValue]) -> Outcome {
    let module = js_sys::eval("import('/src/web/storage.js')").expect("a promise");
    let module = settled(module).await.expect("storage.js");
    call(&module, name, given).await
}

/// Registers with a proof, and returns the status and the nonce of the answer.
async fn register(url: &str, proof: &str) -> (u32, String) {
    let headers = object(&[("DPoP", proof.into())]);
    let options = object(&[("headers", headers)]);
    let address = format!("{url}/api/new?nickname=Key&stage=a");
    let answer = call(&js_sys::global(), "fetch", &[address.into(), options]).await;
    let answer = answer.expect("an answer");
    let nonce = start(&get(&answer, "headers"), "get", &["dpop-nonce".into()]);
    let status = get(&answer, "status").as_f64().expect("a status");
    let nonce = nonce.expect("a nonce").as_string();
    (status as u32, nonce.unwrap_or_default())
}

#[test]
async fn a_key_is_made_once_cannot_be_read_and_proves_who_registers() {
    let url = server("tracker").await;
    let site = JsValue::from(format!("{url}/{}", js_sys::Math::random()));
    let pair = storage("keyPair", std::slice::from_ref(&site)).await;
    let pair = pair.expect("a key");
    let member = |name| get(&pair, name).as_string();
    let key = PublicKey {
        x: member("x").expect("a public key"),
        y: member("y"),
    };
    let again = storage("keyPair", std::slice::from_ref(&site)).await;
    assert_eq!(text(&again.expect("the key"), "x"), key.x);
    let private = get(&get(&pair, "pair"), "privateKey");
    let subtle = get(&get(&js_sys::global(), "crypto"), "subtle");
    for format in ["jwk", "pkcs8"] {
        let read = call(&subtle, "exportKey", &[format.into(), private.clone()]).await;
        assert!(read.is_err(), "{format}");
    }
    let proof = async |nonce: &str| {
        let address = format!("{url}/api/new?nickname=Key");
        let purpose = Purpose {
            method: "GET",
            url: &address,
            link: None,
        };
        let signed = unsigned(&key, purpose, nonce, js_sys::Date::now()).expect("a text");
        let signature = storage("sign", &[pair.clone(), signed.as_str().into()]).await;
        let signature = signature.expect("signed").as_string().expect("a text");
        format!("{signed}.{signature}")
    };
    let (status, nonce) = register(&url, &proof("none").await).await;
    assert_eq!(status, 401);
    let proved = proof(&nonce).await;
    let (status, next) = register(&url, &proved).await;
    assert_eq!((status, next.len()), (200, nonce.len()));
    assert_eq!(register(&url, &proved).await.0, 401);
    assert_eq!(register(&url, &format!("{proved}x")).await.0, 400);
    assert_eq!(register(&url, &proof(&next).await).await.0, 200);
    // Whoever has all forgotten is somebody else.
    storage("forget", &[site.clone(), site.clone()])
        .await
        .expect("forgotten");
    let other = storage("keyPair", &[site]).await.expect("a key");
    assert_ne!(text(&other, "x"), key.x);
}

#[test]
async fn a_stage_without_jobs_is_a_zero_job_error_and_one_that_is_off_a_wrong_argument() {
    let url = server("trackerB").await;
    let quiet = |stage: &str| {
        [
            ("url", JsValue::from(url.as_str())),
            ("stage", stage.into()),
            ("verbose", false.into()),
        ]
    };
    let client = init(&quiet("b")).await.expect("joins");
    assert_eq!(
        fault(call(&client, "newJob", &[]).await),
        named("ZeroJobError", "no_jobs")
    );
    assert_eq!(call(&client, "jobCount", &[]).await, Ok(JsValue::from(0)));
    assert_eq!(
        fault(init(&quiet("c")).await),
        named("InvalidArgumentError", "stage_disabled")
    );
}

#[test]
async fn the_output_of_one_stage_is_the_input_of_the_next() {
    let url = server("trackerB").await;
    let first = join(&url).await;
    call(&first, "newJob", &[]).await.expect("a job");
    let number = get(&first, "jobId");
    let output = object(&[("text", "ä \u{1F600} \"quoted\" \0".into())]);
    call(&first, "completeJob", &[output]).await.expect("done");

    let options = [
        ("url", url.as_str().into()),
        ("stage", "b".into()),
        ("verbose", false.into()),
    ];
    let second = init(&options).await.expect("joins");
    let job = call(&second, "newJob", &[]).await.expect("a job");
    assert_eq!(get(&second, "jobId"), number);
    assert_eq!(text(&job, "text"), "ä \u{1F600} \"quoted\" \0");
    call(&second, "completeJob", &["plain <text>".into()])
        .await
        .expect("done");
}

#[test]
async fn a_connection_that_breaks_is_tried_again_until_it_holds() {
    let flaky = Faulty::at("flaky/3").await;
    let client = join(&flaky.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    call(&client, "completeJob", &["x".into()])
        .await
        .expect("done");
    for name in ["new", "newJob", "completeJob"] {
        assert!(flaky.seen(name).await.len() >= 4, "{name}");
    }
}

#[test]
async fn a_busy_tracker_is_asked_again_no_sooner_than_it_said() {
    let busy = Faulty::at("busy/1/1").await;
    let began = now_ms();
    join(&busy.url()).await;
    assert!(now_ms() - began >= 1000.0);
    assert_eq!(busy.seen("new").await.len(), 2);
}

#[test]
async fn a_completion_whose_answer_was_lost_counts_and_is_no_error() {
    let lossy = Faulty::at("swallow-complete").await;
    let client = join(&lossy.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    call(&client, "completeJob", &["x".into()])
        .await
        .expect("done");
    assert!(get(&client, "job").is_null());
    assert!(lossy.seen("completeJob").await.len() >= 2);
}

#[test]
async fn a_completion_that_was_aborted_too_late_can_be_repeated() {
    let slow = Faulty::at("slow/300").await;
    let client = join(&slow.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    let number = get(&client, "jobId");
    let late = call(&client, "completeJob", &["x".into(), within(150)]).await;
    assert_eq!(fault(late), named("TimeoutError", "timeout"));
    assert_eq!(get(&client, "jobId"), number, "the job is still held");
    // Also in the next life of the page.
    let client = client::load(&start(&client, "dump", &[]).expect("dumps")).expect("loads");
    call(&client, "completeJob", &["x".into()])
        .await
        .expect("done");
    assert!(get(&client, "job").is_null());
}

#[test]
async fn a_tracker_that_never_answers_runs_into_the_time_limit() {
    let hang = Faulty::at("hang").await;
    let client = join(&hang.url()).await;
    let began = now_ms();
    let late = call(&client, "newJob", &[within(300)]).await;
    assert_eq!(fault(late), named("TimeoutError", "timeout"));
    let took = now_ms() - began;
    assert!((250.0..5000.0).contains(&took), "{took} ms");
}

#[test]
async fn aborting_rejects_at_once_and_leaves_the_client_usable() {
    let slow = Faulty::at("slow/400").await;
    let client = join(&slow.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");

    let controller = AbortController::new().expect("a controller");
    let running = start(&client, "completeJob", &["x".into(), until(&controller)]).expect("runs");
    controller.abort_with_reason(&"enough".into());
    let error = settled(running).await.expect_err("aborted");
    assert_eq!(get(&error, "cause"), JsValue::from("enough"));
    assert_eq!(fault(Err(error)), named("AbortError", "aborted"));
    assert!(!get(&client, "job").is_null(), "the job is still held");

    let before = slow.seen("log").await.len();
    let aborted = call(&client, "log", &["x".into(), until(&controller)]).await;
    assert_eq!(fault(aborted), named("AbortError", "aborted"));
    assert_eq!(
        slow.seen("updateProgress").await.len(),
        before,
        "nothing is sent"
    );

    call(&client, "completeJob", &["x".into()])
        .await
        .expect("done");
}

#[test]
async fn what_cannot_be_reached_is_said_with_the_three_things_that_it_can_be() {
    let closed = Faulty::at("no-cors").await;
    for url in [closed.url(), "http://127.0.0.1:9".to_owned()] {
        let options = object(&[("url", url.into()), ("stage", "a".into())]);
        let running = client::init(&options, &within(1500)).into();
        let error = settled(running).await.expect_err("unreachable");
        let message = text(&error, "message");
        for thing in ["network", "down", "CORS"] {
            assert!(message.contains(thing), "{message}");
        }
        assert_eq!(fault(Err(error)), named("UnreachableError", "unreachable"));
    }
}

#[test]
async fn two_calls_at_once_run_one_after_the_other() {
    let url = server("tracker").await;
    let client = join(&url).await;
    let calls = Array::new();
    calls.push(&start(&client, "newJob", &[]).expect("runs"));
    calls.push(&start(&client, "completeJob", &["one".into()]).expect("runs"));
    calls.push(&start(&client, "newJob", &[]).expect("runs"));
    calls.push(&start(&client, "completeJob", &["two".into()]).expect("runs"));
    calls.push(&start(&client, "completeJob", &["three".into()]).expect("runs"));
    let results = Array::from(
        &settled(Promise::all_settled(&calls).into())
            .await
            .expect("all"),
    );
    let states: Vec<String> = results.iter().map(|r| text(&r, "status")).collect();
    assert_eq!(
        states,
        [
            "fulfilled",
            "fulfilled",
            "fulfilled",
            "fulfilled",
            "rejected"
        ]
    );
    let last = get(&results.get(4), "reason");
    assert_eq!(fault(Err(last)), named("NoOpenJobError", "no_open_job"));
}

#[test]
async fn giving_up_in_the_queue_does_not_let_others_past() {
    let slow = Faulty::at("slow/200").await;
    let client = join(&slow.url()).await;
    let first = start(&client, "newJob", &[]).expect("runs");
    let controller = AbortController::new().expect("a controller");
    let second = start(&client, "newJob", &[until(&controller)]).expect("runs");
    let third = start(&client, "completeJob", &["x".into()]).expect("runs");
    controller.abort();
    assert_eq!(fault(settled(second).await), named("AbortError", "aborted"));
    settled(third).await.expect("the first job, completed");
    settled(first).await.expect("a job");
    assert_eq!(slow.seen("newJob").await.len(), 1);
}

#[test]
async fn freeing_a_client_lets_a_running_call_finish() {
    let client = join(&server("tracker").await).await;
    let running = start(&client, "newJob", &[]).expect("runs");
    start(&client, "free", &[]).expect("frees");
    settled(running).await.expect("a job");
    let freed = named("InvalidArgumentError", "invalid_argument");
    let after = start(&client, "newJob", &[]).expect("a promise");
    assert_eq!(fault(settled(after).await), freed);
    assert_eq!(fault(start(&client, "dump", &[])), freed);
    let name = Reflect::get(&client, &"displayName".into());
    assert_eq!(fault(name), freed);
    start(&client, "free", &[]).expect("frees again");
    join(&server("tracker").await).await; // The wasm is alive.
}

#[test]
async fn answers_that_no_tracker_would_give_are_server_errors() {
    for (path, name, code) in [
        ("html", "ServerError", "not_a_tracker"),
        ("garbage", "ServerError", "bad_answer"),
        ("status/404", "InvalidURLError", "not_a_tracker"),
        ("status/500", "ServerError", "internal"),
        ("status/418", "ServerError", "internal"),
    ] {
        let tracker = Faulty::at(path).await;
        let outcome = init(&[
            ("url", tracker.url().into()),
            ("stage", "a".into()),
            ("verbose", false.into()),
        ])
        .await;
        assert_eq!(fault(outcome), named(name, code), "{path}");
    }
}

#[test]
async fn an_error_answer_to_a_completion_keeps_the_job_and_says_what_it_is() {
    for (status, name, code) in [
        ("500", "ServerError", "internal"),
        ("422", "InvalidArgumentError", "invalid_request"),
        ("413", "InvalidArgumentError", "too_large"),
        ("403", "ServerError", "not_allowed"),
        ("404", "ServerError", "not_a_tracker"),
    ] {
        let tracker = Faulty::at(&format!("fail/completeJob/{status}")).await;
        let client = join(&tracker.url()).await;
        call(&client, "newJob", &[]).await.expect("a job");
        let refused = call(&client, "completeJob", &["x".into()]).await;
        let status: f64 = status.parse().expect("a number");
        let error = refused.as_ref().expect_err("refused");
        assert_eq!(get(error, "status").as_f64(), Some(status));
        let said = text(error, "message");
        assert_eq!(
            said.contains("The request has 1 kB"),
            status == 413.0,
            "{said}"
        );
        assert_eq!(fault(refused), named(name, code));
        assert!(!get(&client, "job").is_null());
    }
}

#[test]
async fn a_worker_that_the_tracker_has_forgotten_lets_go_of_its_job() {
    for url in [server("tracker").await, Faulty::at("old").await.url()] {
        let client = join(&url).await;
        call(&client, "newJob", &[]).await.expect("a job");
        let same = client::load(&start(&client, "dump", &[]).expect("dumps")).expect("loads");
        call(&same, "bye", &[]).await.expect("leaves");
        let late = call(&client, "completeJob", &["x".into()]).await;
        assert_eq!(fault(late), named("WorkerTimedOutError", "worker_unknown"));
        assert!(get(&client, "job").is_null());
    }
}

#[test]
async fn a_job_without_data_is_a_job_whose_data_is_null() {
    let client = join(&Faulty::at("null-data").await.url()).await;
    assert_eq!(call(&client, "newJob", &[]).await, Ok(JsValue::NULL));
    assert_eq!(get(&client, "jobId"), JsValue::from(1));
    call(&client, "completeJob", &["x".into()])
        .await
        .expect("done");
}

#[test]
async fn data_that_is_nested_beyond_measure_is_a_bad_answer_and_nothing_breaks() {
    let client = join(&Faulty::at("deep-data").await.url()).await;
    for _ in 0..2 {
        let outcome = call(&client, "newJob", &[]).await;
        assert_eq!(fault(outcome), named("ServerError", "bad_answer"));
    }
    let deep = evaluate("let a = []; for (let i = 0; i < 4000; i++) a = [a]; a");
    let dump = start(&client, "dump", &[]).expect("dumps");
    Reflect::set(&dump, &"token".into(), &deep).expect("set");
    assert_eq!(
        fault(client::load(&dump)),
        named("DumpError", "invalid_dump")
    );
    call(&client, "bye", &[]).await.expect("leaves");
}

#[test]
async fn a_call_for_another_job_lets_go_of_the_one_before_whatever_comes_of_it() {
    let slow = Faulty::at("slow/300").await;
    let client = join(&slow.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    let late = call(&client, "newJob", &[within(100)]).await;
    assert_eq!(fault(late), named("TimeoutError", "timeout"));
    // Which job the tracker means by now, nobody knows: no result may go to the wrong one.
    assert!(get(&client, "jobId").is_null());
    let outcome = call(&client, "completeJob", &["x".into()]).await;
    assert_eq!(fault(outcome), named("NoOpenJobError", "no_open_job"));
    assert_eq!(slow.seen("completeJob").await.len(), 0);
}

#[test]
async fn waiting_for_the_call_before_is_within_the_time_limit() {
    let hang = Faulty::at("hang").await;
    let client = join(&hang.url()).await;
    let controller = AbortController::new().expect("a controller");
    let before = start(&client, "newJob", &[until(&controller)]).expect("runs");
    let began = now_ms();
    let late = call(&client, "newJob", &[within(200)]).await;
    assert_eq!(fault(late), named("TimeoutError", "timeout"));
    call(&client, "bye", &[within(200)]).await.expect("leaves");
    assert!(now_ms() - began < 5000.0);
    controller.abort();
    assert_eq!(fault(settled(before).await), named("AbortError", "aborted"));
}

/// Runs `work` with a global replaced by what `code` evaluates to.
async fn with_global<T>(path: &[&str], code: &str, work: impl Future<Output = T>) -> T {
    let (name, owners) = path.split_last().expect("a path");
    let owner = owners
        .iter()
        .fold(js_sys::global().into(), |owner, name| get(&owner, name));
    let before = get(&owner, name);
    let set = |value: &JsValue| {
        let property = object(&[
            ("value", value.clone()),
            ("configurable", true.into()),
            ("writable", true.into()),
        ]);
        js_sys::Reflect::define_property(&owner.clone().into(), &(*name).into(), &property.into())
            .expect("defines");
    };
    set(&evaluate(code));
    let done = work.await;
    set(&before);
    done
}

#[test]
async fn a_page_that_has_replaced_fetch_gets_errors_and_breaks_nothing() {
    let client = join(&server("tracker").await).await;
    for fetch in [
        "() => Promise.reject('text')",
        "() => Promise.reject(undefined)",
        "() => Promise.reject(new Proxy(new Error('x'), { get() { throw 1 } }))",
        "() => { throw new Error('at once') }",
        "() => undefined",
        "async () => ({})",
        "async () => new Proxy({}, { get() { throw 'no' } })",
        "7",
    ] {
        let soon = [within(50)];
        let outcome = with_global(&["fetch"], fetch, call(&client, "newJob", &soon)).await;
        let (name, _) = fault(outcome);
        assert!(
            ["UnreachableError", "TimeoutError"].contains(&name.as_str()),
            "{fetch}: {name}"
        );
    }
    call(&client, "newJob", &[]).await.expect("a job");
}

#[test]
async fn a_console_that_throws_and_a_missing_clock_do_no_harm() {
    let url = server("tracker").await;
    let throws = "() => { throw new Error('no console') }";
    let options = [("url", url.as_str().into()), ("stage", "a".into())];
    let client = with_global(&["console", "log"], throws, async {
        let client = init(&options).await.expect("joins");
        call(&client, "newJob", &[]).await.expect("a job");
        client
    })
    .await;
    with_global(&["performance"], "undefined", async {
        call(&client, "completeJob", &["x".into()])
            .await
            .expect("done");
    })
    .await;
}

#[test]
async fn verbose_says_what_happens_and_quiet_says_nothing() {
    let url = server("tracker").await;
    let lines = Array::new();
    let listen = Function::new_with_args("lines", "return line => lines.push(line)")
        .call1(&JsValue::UNDEFINED, &lines)
        .expect("a listener");
    Reflect::set(&js_sys::global(), &"listen".into(), &listen).expect("set");
    with_global(&["console", "log"], "listen", async {
        join(&url).await;
        assert_eq!(lines.length(), 0);
        let options = [("url", url.as_str().into()), ("stage", "a".into())];
        let client = init(&options).await.expect("joins");
        let worker = text(&client, "workerUrl");
        let said: Vec<String> = lines.iter().filter_map(|line| line.as_string()).collect();
        assert!(said[0].starts_with("[distcompute-client] - connecting"));
        assert!(said.iter().any(|line| line.ends_with(&worker)), "{said:?}");
    })
    .await;
}

#[test]
async fn signals_that_only_pretend_are_refused_and_those_of_the_platform_work() {
    let client = join(&server("tracker").await).await;
    let pretends = [
        "new Proxy(new AbortController().signal, {})",
        "Object.create(AbortSignal.prototype)",
        "({ aborted: false })",
        "new Proxy({}, { get() { throw 1 } })",
    ];
    for pretend in pretends {
        let options = object(&[("signal", evaluate(pretend))]);
        let outcome = call(&client, "newJob", &[options]).await;
        assert_eq!(
            fault(outcome),
            named("InvalidArgumentError", "invalid_argument"),
            "{pretend}"
        );
    }
    let any = "AbortSignal.any([AbortSignal.timeout(1e6), new AbortController().signal])";
    let options = object(&[("signal", evaluate(any))]);
    call(&client, "newJob", &[options]).await.expect("a job");
    let stop = object(&[("signal", evaluate("AbortSignal.timeout(0)"))]);
    let hang = join(&Faulty::at("hang").await.url()).await;
    let outcome = call(&hang, "newJob", &[stop]).await;
    let reason = get(outcome.as_ref().expect_err("aborted"), "cause");
    assert_eq!(text(&reason, "name"), "TimeoutError");
    assert_eq!(fault(outcome), named("AbortError", "aborted"));
}

#[test]
async fn calls_with_a_signal_leave_nothing_behind() {
    let client = join(&server("tracker").await).await;
    let controller = AbortController::new().expect("a controller");
    let options = [until(&controller)];
    let mut before = 0;
    for round in 0..60 {
        if round == 10 {
            before = wasm_bindgen::externref_heap_live_count();
        }
        call(&client, "newJob", &options).await.expect("a job");
        // Who only asks for jobs is given fewer and fewer.
        let given = [&["x".into()], &options[..]].concat();
        call(&client, "completeJob", &given).await.expect("done");
    }
    let after = wasm_bindgen::externref_heap_live_count();
    assert!(after < before + 25, "{before} values held, then {after}");
}

#[test]
async fn what_is_too_long_for_any_tracker_is_refused_before_it_fills_the_memory() {
    let client = join(&server("tracker").await).await;
    call(&client, "newJob", &[]).await.expect("a job");
    for huge in ["'x'.repeat(2 ** 26 + 1)", "['x'.repeat(2 ** 26)]"] {
        let outcome = call(&client, "completeJob", &[evaluate(huge)]).await;
        assert_eq!(
            fault(outcome),
            named("InvalidArgumentError", "invalid_argument")
        );
    }
    call(&client, "completeJob", &["x".into()])
        .await
        .expect("done");
}

#[test]
async fn data_that_only_claims_to_be_json_can_be_flagged() {
    let client = join(&Faulty::at("bad-json-data").await.url()).await;
    let outcome = call(&client, "newJob", &[]).await;
    assert_eq!(fault(outcome), named("ServerError", "bad_job_data"));
    assert_eq!(get(&client, "jobId"), JsValue::from(1));
    assert!(text(&client, "job").starts_with("<!json!>"));
    call(&client, "flagInvalidData", &[]).await.expect("flags");
}

#[test]
async fn a_tracker_that_has_moved_is_named_and_gets_no_token() {
    let moved = Faulty::at("redirect").await;
    let new = moved.url().replace("/redirect/", "/old/");
    let options = [
        ("url", moved.url().into()),
        ("stage", "a".into()),
        ("verbose", false.into()),
    ];
    let outcome = init(&options).await;
    let error = outcome.as_ref().expect_err("moved");
    assert_eq!(text(error, "address"), new);
    assert!(text(error, "message").contains(&new));
    assert_eq!(fault(outcome), named("InvalidURLError", "moved"));

    // It moves while a worker holds a job there.
    let leaves = Faulty::at("leaves").await;
    let client = join(&leaves.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    let outcome = call(&client, "completeJob", &["x".into()]).await;
    let error = outcome.as_ref().expect_err("moved");
    assert_eq!(
        text(error, "address"),
        leaves.url().replace("/leaves/", "/old/")
    );
    assert_eq!(fault(outcome), named("InvalidURLError", "moved"));
    assert!(
        !get(&client, "job").is_null(),
        "the result can be handed in"
    );
    let there = leaves.elsewhere("/leaves/", "/old/");
    assert_eq!(there.seen("completeJob").await.len(), 0);
    assert_eq!(
        there.seen("jobCount").await.len(),
        1,
        "asked without a token"
    );
}

#[test]
async fn what_json_would_lose_of_an_output_is_not_sent() {
    let old = Faulty::at("old").await;
    let client = join(&old.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    for (code, wanted) in [
        (
            "({ pages: [1, 2, 3, { score: NaN }] })",
            "result.pages[3].score is NaN",
        ),
        ("[new Map()]", "result[0] is a Map"),
        ("({ a: 'x\\ud800y' })", "result.a has half a character"),
    ] {
        let data = js_sys::eval(code).expect("a value");
        let outcome = call(&client, "completeJob", &[data]).await;
        let message = text(outcome.as_ref().expect_err("refused"), "message");
        assert!(message.starts_with(wanted), "{message}");
        assert_eq!(
            fault(outcome),
            named("InvalidArgumentError", "invalid_argument")
        );
    }
    assert_eq!(old.seen("completeJob").await.len(), 0);
}

#[test]
async fn a_long_progress_line_is_cut_before_an_old_tracker_chokes_on_it() {
    let old = Faulty::at("old").await;
    let client = join(&old.url()).await;
    call(&client, "newJob", &[]).await.expect("a job");
    call(&client, "log", &["ä".repeat(10_000).into()])
        .await
        .expect("logs");
    let sent = old.seen("updateProgress").await;
    assert_eq!(text(&sent[0], "progress").chars().count(), 255);
}

#[test]
async fn a_session_goes_on_from_its_dump() {
    let url = server("tracker").await;
    let client = join(&url).await;
    call(&client, "newJob", &[]).await.expect("a job");
    let dump = start(&client, "dump", &[]).expect("dumps");
    let json = js_sys::JSON::stringify(&dump).expect("plain JSON");
    start(&client, "free", &[]).expect("frees");

    let dump = js_sys::JSON::parse(&String::from(json)).expect("parses");
    let client = client::load(&dump).expect("loads");
    assert_eq!(text(&client, "displayName"), text(&dump, "displayName"));
    assert_eq!(get(&client, "jobId"), get(&dump, "jobId"));
    assert!(!get(&client, "job").is_null());
    call(&client, "completeJob", &["x".into()])
        .await
        .expect("the same worker completes the same job");
}

#[test]
async fn what_is_not_a_dump_is_refused() {
    let client = join(&server("tracker").await).await;
    let dump = start(&client, "dump", &[]).expect("dumps");
    let with = |name: &str, value: JsValue| {
        let text = String::from(js_sys::JSON::stringify(&dump).expect("plain JSON"));
        let copy = js_sys::JSON::parse(&text).expect("parses");
        Reflect::set(&copy, &name.into(), &value).expect("set");
        copy
    };
    let throws = evaluate("({ get token() { throw new Error('no') }, toJSON: null })");
    for bad in [
        JsValue::UNDEFINED,
        JsValue::NULL,
        7.into(),
        "text".into(),
        Array::new().into(),
        object(&[]),
        evaluate("const a = {}; a.a = a; a"),
        evaluate("new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 } })"),
        evaluate("10n"),
        throws,
        with("version", 99.into()),
        with("token", 5.into()),
        with("jobId", 0.5.into()),
        with("jobId", (-1).into()),
        with("url", "nonsense".into()),
        with("nickname", "x".repeat(129).into()),
    ] {
        assert_eq!(
            fault(client::load(&bad)),
            named("DumpError", "invalid_dump")
        );
    }
}

fn evaluate(code: &str) -> JsValue {
    let body = match code.rsplit_once(';') {
        Some((before, last)) => format!("{before}; return ({last})"),
        None => format!("return ({code})"),
    };
    Function::new_no_args(&body)
        .call0(&JsValue::UNDEFINED)
        .expect("evaluates")
}

#[test]
async fn init_refuses_what_it_cannot_take_and_says_why() {
    let url = server("tracker").await;
    let argument = named("InvalidArgumentError", "invalid_argument");
    for bad in [
        "undefined",
        "null",
        "'text'",
        "7",
        "({})",
        "({ url: 5, stage: 'a' })",
        "({ get url() { throw 'no' }, stage: 'a' })",
        "new Proxy({}, { get() { throw new Error('no') } })",
        "Symbol('x')",
    ] {
        let outcome = settled(client::init(&evaluate(bad), &JsValue::UNDEFINED).into()).await;
        assert_eq!(fault(outcome), argument, "{bad}");
    }
    for (name, value) in [
        ("stage", "z".into()),
        ("stage", "".into()),
        ("stage", 5.into()),
        ("nickname", "x".repeat(10_000).into()),
        ("nickname", "a\0".into()),
        ("nickname", 5.into()),
        ("verbose", "yes".into()),
    ] {
        let mut options = vec![("url", url.as_str().into()), ("stage", "a".into())];
        options.push((name, value));
        assert_eq!(fault(init(&options).await), argument, "{name}");
    }
    let misspelt = [
        ("url", url.as_str().into()),
        ("stage", "a".into()),
        ("nicknam", "Ada".into()),
    ];
    let refused = init(&misspelt).await.expect_err("a typo");
    assert_eq!(
        text(&refused, "message"),
        "unknown option 'nicknam'; did you mean 'nickname'?"
    );
    for bad in [
        "",
        "tracker.example.com",
        "/here",
        "ftp://x",
        "http://",
        "http://x y",
        "http://[1",
    ] {
        let outcome = init(&[("url", bad.into()), ("stage", "a".into())]).await;
        assert_eq!(
            fault(outcome),
            named("InvalidURLError", "invalid_url"),
            "{bad}"
        );
    }
}

#[test]
async fn calls_refuse_what_they_cannot_take_and_keep_the_job() {
    let client = join(&server("tracker").await).await;
    let argument = named("InvalidArgumentError", "invalid_argument");
    let nothing = call(&client, "completeJob", &["x".into()]).await;
    assert_eq!(fault(nothing), named("NoOpenJobError", "no_open_job"));
    let nothing = call(&client, "flagInvalidData", &[]).await;
    assert_eq!(fault(nothing), named("NoOpenJobError", "not_working"));

    call(&client, "newJob", &[]).await.expect("a job");
    let number = get(&client, "jobId");
    for bad in [
        "undefined",
        "null",
        "7",
        "true",
        "10n",
        "Symbol('x')",
        "() => 1",
        "const a = {}; a.a = a; a",
        "({ get x() { throw new Error('no') } })",
        "({ toJSON() { return undefined } })",
        "({ toJSON() { return 7 } })",
        "({ big: 10n })",
        "new Map([[1, 2]])",
        "new Uint8Array(3)",
        "new Date(0)",
        "new Proxy({}, { ownKeys() { throw 1 }, get() { throw 2 } })",
        "const { proxy, revoke } = Proxy.revocable([], {}); revoke(); proxy",
        "'zero \\0 byte'",
        "'a\\ud800b'",
        "'<!json!>7'",
        "'<!json!>[NaN]'",
    ] {
        let outcome = call(&client, "completeJob", &[evaluate(bad)]).await;
        assert_eq!(fault(outcome), argument, "{bad}");
        assert_eq!(get(&client, "jobId"), number, "{bad}");
    }
    for bad in ["undefined", "7", "({})", "'\\0'"] {
        let outcome = call(&client, "log", &[evaluate(bad)]).await;
        assert_eq!(fault(outcome), argument, "{bad}");
    }
    for bad in [
        "5",
        "'x'",
        "({ timeoutMs: -1 })",
        "({ timeoutMs: NaN })",
        "({ timeoutMs: '5' })",
        "({ timeout: 5 })",
        "new AbortController().signal",
        "({ signal: {} })",
        "({ get signal() { throw 1 } })",
    ] {
        let outcome = call(&client, "jobCount", &[evaluate(bad)]).await;
        assert_eq!(fault(outcome), argument, "{bad}");
    }
    // Half of a surrogate pair is no text, also where JSON escapes it.
    let odd = call(&client, "completeJob", &[evaluate("['\\ud800', 'ok']")]).await;
    assert_eq!(fault(odd), argument);
    call(&client, "completeJob", &["ok".into()])
        .await
        .expect("done");
    call(&client, "bye", &[evaluate("({ timeoutMs: 'x' })")])
        .await
        .expect("bye never rejects");
}

#[test]
async fn leaving_never_rejects_and_does_not_take_for_ever() {
    let hang = Faulty::at("hang").await;
    let client = join(&hang.url()).await;
    let began = now_ms();
    call(&client, "bye", &[within(300)]).await.expect("leaves");
    assert!(now_ms() - began < 5000.0);
    for path in ["fail/bye/500", "fail/bye/404"] {
        let client = join(&Faulty::at(path).await.url()).await;
        call(&client, "bye", &[]).await.expect("leaves");
    }
}
