//! `Volunteer` in a real page, with workers that only speak the engine's messages: who gets which
//! part, who is replaced, which tab computes, and what the page is told.

#![cfg(target_family = "wasm")]

#[allow(dead_code, reason = "shared with the tests that need servers")]
#[path = "web/support.rs"]
mod support;

use core::cell::RefCell;
use distcompute_client::web::volunteer::Volunteer;
use js_sys::{Array, Function, JSON, Object};
use support::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen]
extern "C" {
    type Crew;
    #[wasm_bindgen(method, getter)]
    fn spawn(this: &Crew) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn workers(this: &Crew) -> Array;
    #[wasm_bindgen(method, getter)]
    fn tricks(this: &Crew) -> Array;
    #[wasm_bindgen(method, catch)]
    async fn heard(this: &Crew, index: u32, kind: &str, count: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn ended(this: &Crew, index: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn say(this: &Crew, index: u32, message: &JsValue);
    #[wasm_bindgen(method)]
    fn flood(this: &Crew, index: u32, messages: &JsValue);
    #[wasm_bindgen(method)]
    fn kill(this: &Crew, index: u32, error: &str);
}

thread_local! {
    /// The module `crew.js`.
    static CREW: RefCell<JsValue> = const { RefCell::new(JsValue::UNDEFINED) };
}

async fn load_crew() {
    CREW.set(load("/tests/web/crew.js").await);
}

fn from_crew(name: &str, given: &[JsValue]) -> JsValue {
    let called = start(&CREW.with_borrow(Clone::clone), name, given);
    called.unwrap_or_else(|e| panic!("{name}: {e:?}"))
}

async fn reach(volunteer: &JsValue, test: &JsValue) -> Outcome {
    settled(from_crew("reach", &[volunteer.clone(), test.clone()])).await
}

fn replace(owner: &JsValue, name: &str, value: &JsValue) -> Function {
    from_crew("replace", &[owner.clone(), name.into(), value.clone()]).unchecked_into()
}

/// A volunteer and its workers; ended with the test.
struct Tab {
    crew: Crew,
    volunteer: JsValue,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = start(&self.volunteer, "free", &[]);
    }
}

/// An address that no other test has: locks and channels go by it.
fn somewhere() -> String {
    format!("http://127.0.0.1:9/{}", js_sys::Math::random())
}

fn construct(options: &JsValue) -> Outcome {
    Volunteer::open(options)
}

impl Tab {
    fn at(url: &str) -> Self {
        Self::with(url, &[])
    }

    fn with(url: &str, more: &[(&str, JsValue)]) -> Self {
        let crew: Crew = from_crew("newCrew", &[]).unchecked_into();
        let mut options = vec![
            ("url", url.into()),
            ("stage", "a".into()),
            ("spawn", crew.spawn()),
        ];
        options.extend_from_slice(more);
        let volunteer = construct(&object(&options)).expect("a volunteer");
        Self { crew, volunteer }
    }

    /// Computes: worker 0 is the hub, the next ones are the cores.
    async fn computing(url: &str, cores: u32) -> Self {
        let tab = Self::at(url);
        tab.does("start", &[]);
        tab.crew.heard(0, "hub", 1).await.expect("the hub's part");
        tab.says(
            0,
            "({ t: 'status', status: { state: 'computing', jobsDone: 7, \
                 reason: { code: 'computing', until: null }, cores: [{ core: 0 }] } })",
        );
        tab.says(0, &format!("({{ t: 'cores', want: {cores} }})"));
        for core in 0..cores {
            tab.crew.heard(0, "core", core + 1).await.expect("a core");
        }
        tab.reaches("s => s.state === 'computing'").await;
        tab
    }

    fn does(&self, name: &str, args: &[JsValue]) -> JsValue {
        start(&self.volunteer, name, args).unwrap_or_else(|e| panic!("{name}: {e:?}"))
    }

    fn says(&self, index: u32, message: &str) {
        self.crew.say(index, &evaluate(message));
    }

    fn status(&self) -> JsValue {
        get(&self.volunteer, "status")
    }

    fn state(&self) -> String {
        text(&self.status(), "state")
    }

    async fn reaches(&self, test: &str) -> JsValue {
        let reached = reach(&self.volunteer, &evaluate(test)).await;
        reached.unwrap_or_else(|e| panic!("{e:?}"))
    }
}

fn evaluate(code: &str) -> JsValue {
    Function::new_no_args(&format!("return ({code})"))
        .call0(&JsValue::UNDEFINED)
        .unwrap_or_else(|e| panic!("{code}: {e:?}"))
}

fn json(value: &JsValue) -> String {
    JSON::stringify(value).expect("JSON").into()
}

#[test]
async fn nothing_starts_before_start_and_then_each_worker_gets_its_part() {
    load_crew().await;
    let limits = object(&[("jobTimeoutMs", 5_000.into())]);
    let settings = object(&[("cores", 2.into()), ("intensity", 50.into())]);
    let more = [
        ("nickname", "Pod 3".into()),
        ("stage", JsValue::UNDEFINED),
        ("stages", evaluate("['b', 'A stage']")),
        ("limits", limits),
        ("settings", settings),
    ];
    let url = somewhere();
    let tab = Tab::with(&format!("{url}/"), &more);
    assert_eq!(tab.state(), "stopped");
    let locks = call(&evaluate("navigator.locks"), "query", &[]).await;
    assert!(!json(&locks.expect("locks")).contains(&url));
    assert_eq!(tab.crew.workers().length(), 0);

    tab.does("start", &[]);
    assert_eq!(tab.state(), "starting");
    let hub = tab.crew.heard(0, "hub", 1).await.expect("a hub");
    let setup = get(&hub, "setup");
    assert_eq!(text(&setup, "url"), url);
    assert_eq!(json(&get(&setup, "stages")), r#"["b","a"]"#);
    assert_eq!(text(&setup, "nickname"), "Pod 3");
    assert_eq!(
        json(&get(&setup, "limits")),
        r#"{"jobTimeoutMs":5000,"stallMs":600000,"progressIntervalMs":10000,"slowFailing":true}"#
    );
    assert_eq!(
        json(&get(&setup, "settings")),
        r#"{"cores":2,"intensity":50,"pauseOnBattery":true,"background":true,"hours":null}"#
    );
    let around = get(&setup, "surroundings");
    assert!(get(&around, "hidden").as_bool().is_some());
    assert!(get(&around, "utcOffsetMin").as_f64().is_some());
    assert_eq!(text(&setup, "instance"), "", "all tabs share what is kept");

    tab.says(0, "({ t: 'cores', want: 2 })");
    for core in [0, 1] {
        let compute = tab
            .crew
            .heard(core + 1, "compute", 1)
            .await
            .expect("a core");
        assert_eq!(get(&compute, "core"), core);
        assert_eq!(get(&compute, "hasPort"), true);
        let up = tab.crew.heard(0, "port", core + 1).await.expect("its word");
        assert_eq!(text(&up, "said"), "up");
    }
    tab.says(0, "({ t: 'cores', want: 1 })");
    tab.crew.ended(2).await.expect("the second core is ended");
    assert_eq!(tab.crew.workers().length(), 3);
}

/// What answers nothing, for as long as it lives; then it is put back.
struct Silent(Vec<Function>);

impl Silent {
    fn new(owner: &str, name: &str, value: &str) -> Self {
        Self(vec![replace(&evaluate(owner), name, &evaluate(value))])
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        for back in &self.0 {
            back.call0(&JsValue::UNDEFINED).expect("put back");
        }
    }
}

const NEVER: &str = "new Promise(() => {})";

#[test]
async fn locks_that_never_answer_are_done_without() {
    load_crew().await;
    let locks = format!("({{ request: () => {NEVER}, query: () => {NEVER} }})");
    let silent = Silent::new("navigator", "locks", &locks);
    let tab = Tab::at(&somewhere());
    tab.does("start", &[]);
    let hub = tab.crew.heard(0, "hub", 1).await.expect("a hub");
    // Each tab keeps what is its own.
    assert!(text(&get(&hub, "setup"), "instance").starts_with('#'));
    drop(silent);
}

#[test]
async fn a_lock_that_comes_late_is_held_and_let_go_of() {
    load_crew().await;
    let late = "({ query: () => navigator.real.query(), \
        request: (name, ...more) => new Promise((resolve) => setTimeout(resolve, 7000)) \
            .then(() => navigator.real.request(name, ...more)) })";
    let real = Silent::new("navigator", "real", "navigator.locks");
    let silent = Silent::new("navigator", "locks", late);
    let url = somewhere();
    let tab = Tab::at(&url);
    tab.does("start", &[]);
    tab.crew.heard(0, "hub", 1).await.expect("a hub");
    let held = "async (name) => { for (;;) { const { held } = await navigator.real.query(); \
        if (held.some((lock) => lock.name.endsWith(name))) return held.length; \
        await new Promise((resolve) => setTimeout(resolve, 50)); } }";
    let held: Function = evaluate(held).unchecked_into();
    let waits = held.call1(&JsValue::UNDEFINED, &(&url).into());
    settled(waits.expect("waits")).await.expect("held");
    assert_eq!(tab.crew.workers().length(), 1, "nothing was started twice");
    drop(tab);
    let free = "(name) => navigator.real.request('distcompute ' + name, () => true)";
    let free: Function = evaluate(free).unchecked_into();
    let freed = free.call1(&JsValue::UNDEFINED, &(&url).into());
    settled(freed.expect("asks")).await.expect("let go of");
    drop((silent, real));
}

#[test]
async fn a_battery_and_a_channel_that_never_answer_are_done_without() {
    load_crew().await;
    let battery = Silent::new("navigator", "getBattery", &format!("() => {NEVER}"));
    let channel = Silent::new(
        "globalThis",
        "BroadcastChannel",
        "class { addEventListener() {} postMessage() {} close() {} }",
    );
    let tab = Tab::computing(&somewhere(), 1).await;
    let hub = tab.crew.heard(0, "hub", 1).await.expect("a hub");
    let around = get(&get(&hub, "setup"), "surroundings");
    assert!(get(&around, "onBattery").is_null());
    drop((battery, channel));
}

#[test]
async fn forget_ends_where_storage_never_answers_and_works_once_it_does() {
    load_crew().await;
    let tab = Tab::at(&somewhere());
    // Another test may have opened the database.
    let never = "() => ({ objectStore: () => ({ delete() {} }) })";
    let opened = Silent::new("IDBDatabase.prototype", "transaction", never);
    let silent = Silent::new("globalThis", "indexedDB", "({ open: () => ({}) })");
    let outcome = call(&tab.volunteer, "forget", &[]).await;
    assert_eq!(fault(outcome), named("TimeoutError", "timeout"));
    drop((silent, opened));
    call(&tab.volunteer, "forget", &[]).await.expect("forgets");
}

#[test]
async fn listeners_get_frozen_statuses_at_most_ten_times_a_second_and_the_last_one_in_the_end() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 0).await;
    let seen = Array::new();
    let listen = Function::new_with_args(
        "seen, volunteer",
        "return status => { seen.push([performance.now(), status]); \
         if (status !== volunteer.status) throw new Error('another object'); }",
    );
    let listener = listen
        .call2(&JsValue::UNDEFINED, &seen, &tab.volunteer)
        .expect("a listener");
    // As a store takes it: without the volunteer.
    let unbound: Function = get(&tab.volunteer, "subscribe").unchecked_into();
    let end = unbound
        .call1(&JsValue::UNDEFINED, &listener)
        .expect("subscribes");
    assert_eq!(seen.length(), 1, "it is called at once");
    // One that throws is no harm to the others.
    tab.does("subscribe", &[evaluate("() => { throw undefined }")]);
    let many = evaluate(
        "Array.from({ length: 400 }, (_, i) => ({ t: 'status', status: \
         { state: 'computing', jobsDone: i, reason: { code: 'computing' }, cores: [{ core: i }] } }))",
    );
    tab.crew.flood(0, &many);
    let last = tab.reaches("s => s.jobsDone === 399").await;
    let frozen =
        evaluate("s => [s, s.reason, s.cores, s.cores[0], s.settings].every(Object.isFrozen)");
    let frozen: Function = frozen.unchecked_into();
    assert_eq!(frozen.call1(&JsValue::NULL, &last), Ok(JsValue::TRUE));

    for count in 400..404 {
        let status = object(&[("jobsDone", count.into()), ("cores", Array::new().into())]);
        let message = object(&[("t", "status".into()), ("status", status)]);
        tab.crew.say(0, &message);
        tab.reaches(&format!("s => s.jobsDone === {count}")).await;
    }
    let first = Array::from(&seen.get(0)).get(1);
    assert!(
        get(&first, "jobsDone") == 7,
        "the first call comes at once, with what is known"
    );
    let times: Vec<f64> = seen
        .iter()
        .skip(1)
        .map(|entry| Array::from(&entry).get(0).as_f64().expect("a time"))
        .collect();
    assert!(times.len() >= 3, "{times:?}");
    // A listener may hear of one status late and of the next in time.
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= 80.0, "{times:?}");
    }

    end.unchecked_into::<Function>()
        .call0(&JsValue::UNDEFINED)
        .expect("ends");
    let heard = seen.length();
    tab.does("stop", &[]);
    tab.reaches("s => s.state === 'stopped'").await;
    assert_eq!(seen.length(), heard, "it has unsubscribed");
    let status = tab.status();
    assert!(
        Object::is(&status, &tab.status()),
        "the same until it changes"
    );
    assert_eq!(get(&status, "jobsDone"), 403, "still to be seen");
    assert_eq!(json(&get(&status, "cores")), "[]");
}

/// The code of the error that a promise is rejected with.
async fn code_of(promise: JsValue) -> String {
    text(&settled(promise).await.expect_err("rejected"), "code")
}

#[test]
async fn the_promises_of_start_and_stop_settle_when_the_outcome_is_known() {
    load_crew().await;
    let tab = Tab::at(&somewhere());
    let begun = tab.does("start", &[]);
    tab.crew.heard(0, "hub", 1).await.expect("the hub's part");
    tab.says(
        0,
        "({ t: 'status', status: { state: 'computing', reason: { code: 'computing', until: null } } })",
    );
    assert_eq!(settled(begun).await, Ok(JsValue::UNDEFINED));
    // It computes already.
    assert_eq!(
        settled(tab.does("start", &[])).await,
        Ok(JsValue::UNDEFINED)
    );

    let stopped = tab.does("stop", &[evaluate("({ finish: true })")]);
    assert_eq!(tab.state(), "stopping");
    tab.says(0, "({ t: 'stopped' })");
    assert_eq!(settled(stopped).await, Ok(JsValue::UNDEFINED));
    assert_eq!(tab.state(), "stopped");

    let begun = tab.does("start", &[]);
    let stopped = tab.does("stop", &[]);
    assert_eq!(code_of(begun).await, "aborted");
    assert_eq!(settled(stopped).await, Ok(JsValue::UNDEFINED));

    let begun = tab.does("start", &[]);
    tab.does("free", &[]);
    assert_eq!(code_of(begun).await, "aborted");
    let late = settled(tab.does("stop", &[])).await;
    assert_eq!(late, Ok(JsValue::UNDEFINED));
}

#[test]
async fn a_start_is_rejected_with_the_error_that_the_status_shows() {
    load_crew().await;
    let options = [
        ("url", somewhere().into()),
        ("stage", "a".into()),
        (
            "spawn",
            evaluate("() => { throw new Error('no such file') }"),
        ),
    ];
    let volunteer = construct(&object(&options)).expect("a volunteer");
    let begun = start(&volunteer, "start", &[]).expect("it is called");
    let error = settled(begun).await.expect_err("rejected");
    let shown = get(&get(&volunteer, "status"), "error");
    assert_eq!(text(&error, "code"), "not_started");
    assert_eq!(text(&error, "message"), text(&shown, "message"));
    assert_eq!(text(&get(&error, "cause"), "code"), "worker_failed");
    assert!(text(&error, "message").contains("no such file"));
    start(&volunteer, "free", &[]).expect("freed");
}

#[test]
async fn events_say_what_has_changed() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 0).await;
    let seen = Array::new();
    let listener = Function::new_with_args(
        "seen",
        "return ({ type, detail }) => \
         seen.push([type, detail.done ?? detail.message ?? detail.jobsDone].join(' '))",
    );
    let listener = listener.call1(&JsValue::NULL, &seen).expect("a listener");
    // As somebody takes it who does not keep the volunteer.
    let add: Function = get(&tab.volunteer, "addEventListener").unchecked_into();
    for kind in ["statuschange", "job", "failure"] {
        add.call2(&JsValue::NULL, &kind.into(), &listener)
            .expect("added");
    }
    let status = |jobs: u32, error: &str| {
        format!(
            "({{ t: 'status', status: {{ state: 'computing', jobsDone: {jobs}, lastError: {error}, \
             reason: {{ code: 'computing', until: null }} }} }})"
        )
    };
    /// Events come when the listeners of the status are called, which is not at once.
    async fn has(seen: &Array, event: &str) -> bool {
        for _ in 0..200 {
            if seen.includes(&event.into(), 0) {
                return true;
            }
            gloo_timers::future::TimeoutFuture::new(20).await;
        }
        false
    }
    let failed = "{ name: 'RangeError', message: 'too far', job: 3, at: 5 }";
    tab.says(0, &status(9, failed));
    assert!(has(&seen, "failure too far").await, "{}", json(&seen));
    tab.says(0, &status(12, failed));
    assert!(has(&seen, "job 3").await, "{}", json(&seen));
    assert!(seen.includes(&"statuschange 12".into(), 0));
    for kind in ["statuschange", "job"] {
        tab.does("removeEventListener", &[kind.into(), listener.clone()]);
    }
    let before = seen.length();
    tab.says(
        0,
        &status(13, "{ name: 'E', message: 'again', job: 4, at: 6 }"),
    );
    assert!(has(&seen, "failure again").await, "{}", json(&seen));
    assert_eq!(seen.length(), before + 1, "{}", json(&seen));
    let failures = json(&seen).matches("too far").count();
    assert_eq!(failures, 1, "once for each failure: {}", json(&seen));
    let wrong = start(
        &tab.volunteer,
        "addEventListener",
        &["job".into(), 5.into()],
    );
    assert_eq!(
        text(&wrong.expect_err("no listener"), "code"),
        "invalid_argument"
    );
}

#[test]
async fn a_signal_ends_a_subscription() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 0).await;
    let seen = Array::new();
    let listener = Function::new_with_args("seen", "return s => seen.push(s.jobsDone)")
        .call1(&JsValue::NULL, &seen)
        .expect("a listener");
    let controller = evaluate("new AbortController()");
    let options = object(&[("signal", get(&controller, "signal"))]);
    tab.does("subscribe", &[listener.clone(), options.clone()]);
    assert_eq!(json(&seen), "[7]");
    start(&controller, "abort", &[]).expect("aborted");
    tab.says(0, "({ t: 'status', status: { jobsDone: 8 } })");
    tab.reaches("s => s.jobsDone === 8").await;
    tab.does("subscribe", &[listener.clone(), options]);
    assert_eq!(json(&seen), "[7]", "neither of them is called");
    let misspelt = evaluate("({ signl: undefined })");
    let wrong = start(&tab.volunteer, "subscribe", &[listener, misspelt]);
    let message = text(&wrong.expect_err("refused"), "message");
    assert!(message.contains("signal"), "{message}");
}

#[test]
async fn the_status_is_the_same_object_until_something_changes() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 0).await;
    let before = tab.status();
    let seen = Array::new();
    let listener = Function::new_with_args("seen", "return s => seen.push(s)")
        .call1(&JsValue::UNDEFINED, &seen)
        .expect("a listener");
    tab.does("subscribe", &[listener]);
    let same = "({ t: 'status', status: { state: 'computing', jobsDone: 7, \
                 reason: { code: 'computing', until: null }, cores: [{ core: 0 }] } })";
    for _ in 0..3 {
        tab.says(0, same);
    }
    // What follows comes after these.
    tab.says(0, "({ t: 'cores', want: 1 })");
    tab.crew.heard(1, "compute", 1).await.expect("a core");
    assert!(Object::is(&before, &tab.status()), "nothing has changed");
    assert_eq!(seen.length(), 1, "and nobody is told");
    tab.says(0, "({ t: 'status', status: { jobsDone: 8 } })");
    let after = tab.reaches("s => s.jobsDone === 8").await;
    assert!(!Object::is(&before, &after));
}

#[test]
async fn a_hub_that_dies_is_replaced_and_gets_the_cores_that_run() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 2).await;
    tab.does("pause", &[]);
    tab.crew.heard(0, "pause", 1).await.expect("a pause");
    tab.crew.kill(0, "unreachable executed");
    let failed = tab.reaches("s => s.state === 'failed'").await;
    assert_eq!(text(&get(&failed, "reason"), "code"), "worker_failed");
    assert!(get(&get(&failed, "reason"), "until").as_f64().is_some());
    let message = text(&get(&failed, "error"), "message");
    assert!(message.contains("unreachable executed"), "{message}");

    let hub = tab.crew.heard(3, "hub", 1).await.expect("a new hub");
    // In the order in which they were ready.
    let mut cores: Vec<_> = Array::from(&get(&get(&hub, "setup"), "cores"))
        .iter()
        .filter_map(|core| core.as_f64())
        .collect();
    cores.sort_by(f64::total_cmp);
    assert_eq!(cores, [0.0, 1.0]);
    assert_eq!(json(&get(&get(&hub, "setup"), "before")), r#"[{"core":0}]"#);
    tab.crew.heard(3, "pause", 1).await.expect("the pause");
    for core in [0, 1] {
        tab.crew.heard(core + 1, "compute", 2).await.expect("told");
        let up = tab.crew.heard(3, "port", core + 1).await.expect("joined");
        assert_eq!(text(&up, "said"), "up");
    }
    for index in [1, 2] {
        let ended = get(&tab.crew.workers().get(index), "ended");
        assert_eq!(ended, false, "running jobs go on");
    }
}

#[test]
async fn a_core_that_dies_is_reported_and_replaced() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 2).await;
    tab.crew.kill(2, "unreachable executed");
    let died = tab.crew.heard(0, "died", 1).await.expect("a report");
    assert_eq!(get(&died, "core"), 1);
    assert!(text(&died, "message").contains("unreachable executed"));
    tab.crew.ended(2).await.expect("ended");
    let compute = tab.crew.heard(3, "compute", 1).await.expect("another");
    assert_eq!(get(&compute, "core"), 1);
    tab.crew.heard(0, "core", 3).await.expect("and its port");
    // The hub may want it too, and is not told what it knows.
    tab.says(0, "({ t: 'replace', core: 0, reason: 'stalled' })");
    tab.crew.ended(1).await.expect("ended");
    tab.crew.heard(4, "compute", 1).await.expect("another");
    let hub = get(&tab.crew.workers().get(0), "heard");
    assert_eq!(json(&hub).matches("died").count(), 1);
}

#[test]
async fn a_new_version_replaces_all_workers() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 1).await;
    tab.says(0, "({ t: 'renew' })");
    for index in [0, 1] {
        tab.crew.ended(index).await.expect("ended");
    }
    let hub = tab.crew.heard(2, "hub", 1).await.expect("a new hub");
    let counted = get(&get(&hub, "setup"), "counted");
    assert_eq!(get(&counted, "jobsDone"), 7, "counts go on");
    tab.crew.heard(3, "compute", 1).await.expect("a new core");
}

#[test]
async fn a_spawn_that_throws_or_whose_script_is_not_there_is_tried_again_and_said() {
    load_crew().await;
    for (trick, word) in [
        (
            "() => { throw new Error('no more workers') }",
            "no more workers",
        ),
        ("() => { throw Object.create(null) }", "spawn threw"),
        // The tests' own server may leave a request for what is not there unanswered.
        (
            "() => new Worker(URL.createObjectURL(new Blob([])) + '-not')",
            "A worker did not start",
        ),
        (
            "() => new Worker(URL.createObjectURL(new Blob([])) + '-not', { type: 'module' })",
            "A worker did not start",
        ),
    ] {
        let tab = Tab::at(&somewhere());
        tab.crew.tricks().push(&evaluate(trick));
        tab.does("start", &[]);
        let failed = tab.reaches("s => s.state === 'failed'").await;
        let error = get(&failed, "error");
        assert_eq!(text(&error, "name"), "WorkerError");
        assert_eq!(text(&error, "code"), "worker_failed");
        assert!(text(&error, "message").contains(word), "{}", json(&error));
        tab.crew.heard(0, "hub", 1).await.expect("the second try");
        assert_eq!(tab.state(), "starting");
        assert!(get(&tab.status(), "error").is_null());
    }
}

#[test]
async fn a_spawn_that_gives_no_worker_fails_until_it_is_mended() {
    load_crew().await;
    for nonsense in [
        "undefined",
        "null",
        "7",
        "({})",
        "Promise.resolve()",
        "'worker.js'",
    ] {
        let tab = Tab::at(&somewhere());
        tab.crew
            .tricks()
            .push(&evaluate(&format!("() => {nonsense}")));
        tab.does("start", &[]);
        let failed = tab.reaches("s => s.state === 'failed'").await;
        assert_eq!(text(&get(&failed, "reason"), "code"), "failed");
        let message = text(&get(&failed, "error"), "message");
        assert!(message.contains("must return a Worker"), "{message}");
        tab.does("start", &[]);
        tab.crew.heard(0, "hub", 1).await.expect("mended");
    }
}

#[test]
async fn what_the_hub_cannot_do_is_said_with_its_error() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 1).await;
    tab.says(
        0,
        "({ t: 'fatal', error: { name: 'InvalidArgumentError', code: 'stage_disabled', \
             message: 'No such stage.' } })",
    );
    let failed = tab.reaches("s => s.state === 'failed'").await;
    assert_eq!(text(&get(&failed, "error"), "code"), "stage_disabled");
    tab.crew.ended(0).await.expect("ended");
    tab.crew.ended(1).await.expect("ended");
}

#[test]
async fn one_tab_computes_the_other_shows_and_controls_it_and_takes_over() {
    load_crew().await;
    let url = somewhere();
    let first = Tab::computing(&url, 1).await;
    let second = Tab::at(&url);
    // Also before it is started.
    let shown = second.reaches("s => s.state === 'elsewhere'").await;
    assert_eq!(get(&shown, "jobsDone"), 7);
    second.does("start", &[]);
    let shown = second.reaches("s => s.reason.code === 'another_tab'").await;
    assert_eq!(text(&get(&shown, "elsewhere"), "state"), "computing");
    let [core] = &Array::from(&get(&shown, "cores")).to_vec()[..] else {
        panic!("{}", json(&shown));
    };
    assert_eq!(get(core, "core"), 0);

    second.does("set", &[object(&[("cores", 3.into())])]);
    let told = first.crew.heard(0, "settings", 1).await.expect("settings");
    assert_eq!(get(&get(&told, "settings"), "cores"), 3);
    second.does("pause", &[60_000.into()]);
    let told = first.crew.heard(0, "pause", 1).await.expect("a pause");
    let left = get(&told, "until").as_f64().expect("a time") - now_ms();
    assert!((50_000.0..=60_000.0).contains(&left), "{left}");
    second.does("resume", &[]);
    first.crew.heard(0, "resume", 1).await.expect("goes on");
    assert_eq!(second.crew.workers().length(), 0);

    let began = now_ms();
    drop(first);
    second.crew.heard(0, "hub", 1).await.expect("takes over");
    let took = now_ms() - began;
    assert!(took < 1_000.0, "{took} ms");
    assert_eq!(get(&get(&second.status(), "settings"), "cores"), 3);
}

#[test]
async fn a_nickname_changes_in_all_tabs_while_one_computes() {
    load_crew().await;
    let url = somewhere();
    let first = Tab::computing(&url, 1).await;
    let second = Tab::at(&url);
    second.reaches("s => s.state === 'elsewhere'").await;
    second.does("set", &[object(&[("nickname", "Ada".into())])]);
    let told = first.crew.heard(0, "settings", 1).await.expect("settings");
    assert_eq!(text(&told, "nickname"), "Ada");
    second.does("set", &[object(&[("cores", 2.into())])]);
    let told = first.crew.heard(0, "settings", 2).await.expect("settings");
    assert_eq!(text(&told, "nickname"), "Ada", "it stays");
    second.does("start", &[]);
    drop(first);
    let made = second.crew.heard(0, "hub", 1).await.expect("takes over");
    assert_eq!(text(&get(&made, "setup"), "nickname"), "Ada");
}

#[test]
async fn stop_in_any_tab_stops_all() {
    load_crew().await;
    let url = somewhere();
    let first = Tab::computing(&url, 1).await;
    let second = Tab::at(&url);
    second.does("start", &[]);
    second.reaches("s => s.state === 'elsewhere'").await;
    second.does("stop", &[object(&[("finish", true.into())])]);
    let told = first.crew.heard(0, "stop", 1).await.expect("told");
    assert_eq!(get(&told, "finish"), true);
    first.reaches("s => s.state === 'stopped'").await;
    second.reaches("s => s.state === 'stopped'").await;
    for index in [0, 1] {
        first.crew.ended(index).await.expect("ended");
    }
    let locks = call(&evaluate("navigator.locks"), "query", &[]).await;
    assert!(!json(&locks.expect("locks")).contains(&url));
    assert_eq!(second.crew.workers().length(), 0);
}

#[test]
async fn without_locks_every_tab_computes() {
    load_crew().await;
    for locks in [
        "undefined",
        "({ request() { throw new Error('no') } })",
        "({ request: async () => { throw new DOMException('no', 'SecurityError') } })",
    ] {
        let back = replace(&evaluate("navigator"), "locks", &evaluate(locks));
        let url = somewhere();
        let tabs = [Tab::at(&url), Tab::at(&url)];
        for tab in &tabs {
            tab.does("start", &[]);
        }
        let mut marks = Vec::new();
        for tab in &tabs {
            let hub = tab.crew.heard(0, "hub", 1).await.expect("a hub each");
            marks.push(text(&get(&hub, "setup"), "instance"));
        }
        assert!(marks[0] != marks[1] && !marks.contains(&String::new()));
        // After a reload a tab finds what it has kept.
        drop(tabs);
        let tab = Tab::at(&url);
        tab.does("start", &[]);
        let hub = tab.crew.heard(0, "hub", 1).await.expect("a hub");
        let mark = text(&get(&hub, "setup"), "instance");
        page_event("pagehide", false);
        let tab = Tab::at(&url);
        tab.does("start", &[]);
        let hub = tab.crew.heard(0, "hub", 1).await.expect("a hub");
        assert_eq!(text(&get(&hub, "setup"), "instance"), mark);
        back.call0(&JsValue::UNDEFINED).expect("put back");
    }
}

#[test]
async fn a_browser_that_has_nothing_to_tell_computes_all_the_same() {
    load_crew().await;
    let throws = evaluate("() => { throw new Error('not here') }");
    let global: JsValue = js_sys::global().into();
    let navigator = evaluate("navigator");
    let back = [
        replace(&navigator, "getBattery", &throws),
        replace(&navigator, "hardwareConcurrency", &JsValue::UNDEFINED),
        replace(&global, "BroadcastChannel", &throws),
        replace(&global, "reportError", &throws),
    ];
    let tab = Tab::computing(&somewhere(), 1).await;
    let cores = get(&get(&tab.status(), "settings"), "cores");
    assert_eq!(cores, 1);
    for back in back {
        back.call0(&JsValue::UNDEFINED).expect("put back");
    }
}

/// What `fetch` was called with while `work` ran.
fn fetched(work: impl FnOnce()) -> Vec<(String, JsValue)> {
    let calls = Array::new();
    let mock = Function::new_with_args(
        "calls",
        "return async (url, init) => { calls.push([url, init]); throw new Error('offline'); }",
    );
    let mock = mock.call1(&JsValue::UNDEFINED, &calls).expect("a mock");
    let back = replace(&js_sys::global().into(), "fetch", &mock);
    work();
    back.call0(&JsValue::UNDEFINED).expect("put back");
    calls
        .iter()
        .map(|call| {
            let call = Array::from(&call);
            (call.get(0).as_string().expect("a URL"), call.get(1))
        })
        .collect()
}

fn page_event(kind: &str, persisted: bool) {
    evaluate(&format!(
        "dispatchEvent(new PageTransitionEvent('{kind}', {{ persisted: {persisted} }}))"
    ));
}

#[test]
async fn leaving_the_page_says_goodbye_with_keepalive_and_coming_back_goes_on() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 1).await;
    tab.says(
        0,
        "({ t: 'farewell', requests: [{ url: 'http://127.0.0.1:9/bye', body: '{\"a\":1}' }, \
             { url: 'http://127.0.0.1:9/too', body: '{}' }] })",
    );
    tab.says(0, "({ t: 'status', status: { jobsDone: 8 } })");
    tab.reaches("s => s.jobsDone === 8").await;

    evaluate("document.dispatchEvent(new Event('visibilitychange'))");
    let calls = fetched(|| page_event("pagehide", true));
    let urls: Vec<&str> = calls.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(urls, ["http://127.0.0.1:9/bye", "http://127.0.0.1:9/too"]);
    let init = &calls[0].1;
    assert_eq!(text(init, "method"), "POST");
    assert_eq!(get(init, "keepalive"), true);
    // It carries a token.
    assert_eq!(text(init, "redirect"), "error");
    assert_eq!(text(init, "body"), r#"{"a":1}"#);
    assert_eq!(
        text(&get(init, "headers"), "content-type"),
        "application/json"
    );
    for index in [0, 1] {
        tab.crew.ended(index).await.expect("ended");
    }
    page_event("pageshow", false);
    assert_eq!(tab.crew.workers().length(), 2);
    page_event("pageshow", true);
    tab.crew.heard(2, "hub", 1).await.expect("goes on");
    assert_eq!(fetched(|| page_event("pagehide", false)).len(), 0, "once");
}

#[test]
async fn a_page_whose_heir_waits_says_no_goodbye() {
    load_crew().await;
    let url = somewhere();
    let first = Tab::computing(&url, 0).await;
    let second = Tab::at(&url);
    second.does("start", &[]);
    second.reaches("s => s.state === 'elsewhere'").await;
    first.says(
        0,
        "({ t: 'farewell', requests: [{ url: 'http://127.0.0.1:9/bye', body: '{}' }] })",
    );
    // The page asks for heirs before it asks a silent hub whether it lives.
    first.crew.heard(0, "ping", 1).await.expect("time passes");
    assert_eq!(fetched(|| page_event("pagehide", false)).len(), 0);
}

#[test]
async fn a_silent_hub_is_asked_whether_it_lives() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 0).await;
    tab.crew.heard(0, "ping", 2).await.expect("asked twice");
    assert_eq!(tab.crew.workers().length(), 1, "it answered");
}

#[test]
async fn forget_stops_first_and_free_is_safe_at_any_time() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 1).await;
    call(&tab.volunteer, "forget", &[]).await.expect("forgets");
    assert_eq!(tab.state(), "stopped");
    call(&tab.volunteer, "forget", &[]).await.expect("again");
    tab.does("start", &[]);
    tab.crew.heard(2, "hub", 1).await.expect("starts again");
    let seen = Array::new();
    let listener = Function::new_with_args("seen", "return s => seen.push(s)")
        .call1(&JsValue::UNDEFINED, &seen)
        .expect("a listener");
    tab.does("subscribe", &[listener]);
    tab.does("free", &[]);
    tab.does("free", &[]);
    tab.crew.heard(2, "stop", 1).await.expect("puts jobs back");
    tab.crew.ended(2).await.expect("ended");
    for name in ["start", "pause", "resume", "stop", "set", "status"] {
        if name == "status" {
            tab.status();
        } else {
            tab.does(name, &[Object::new().into()][..usize::from(name == "set")]);
        }
    }
    assert_eq!(seen.length(), 1, "no more than the call at once");
    assert_eq!(tab.crew.workers().length(), 3);
}

#[test]
async fn a_listener_may_do_anything() {
    load_crew().await;
    let tab = Tab::computing(&somewhere(), 1).await;
    let listen = Function::new_with_args(
        "volunteer",
        "return () => { volunteer.set({ cores: 2 }); volunteer.stop(); volunteer.free(); }",
    );
    let listener = listen
        .call1(&JsValue::UNDEFINED, &tab.volunteer)
        .expect("a listener");
    tab.does("subscribe", &[listener]);
    tab.does("pause", &[]);
    tab.crew.ended(0).await.expect("ended");
    tab.crew.ended(1).await.expect("ended");
}

#[test]
async fn what_a_volunteer_cannot_take_is_refused_with_a_code() {
    load_crew().await;
    let argument = named("InvalidArgumentError", "invalid_argument");
    let good = |more: &str| {
        format!(
            "({{ url: 'http://127.0.0.1:9/', stage: 'a', \
             spawn: () => {{ throw new Error('never called') }}, {more} }})"
        )
    };
    construct(&evaluate(&good(""))).expect("good options");
    for options in [
        "undefined",
        "null",
        "7",
        "'text'",
        "Symbol()",
        "({})",
        "[]",
        "new Proxy({}, { get() { throw undefined } })",
    ] {
        assert_eq!(fault(construct(&evaluate(options))), argument, "{options}");
    }
    for more in [
        "url: 5",
        "get url() { throw 'no' }",
        "stage: 'z'",
        "stage: null",
        "stages: []",
        "stages: 'f'",
        "stages: ['a', 'a']",
        "stages: ['a', 5]",
        "stages: [,]",
        "stages: {}",
        "stages: { length: 1e9 }",
        "stages: new Proxy([], { get() { throw 1 } })",
        "nickname: 5",
        "nickname: 'x'.repeat(1000)",
        "spawn: undefined",
        "spawn: {}",
        "spawn: 'worker.js'",
        "settings: 5",
        "settings: { cores: 0 }",
        "settings: { cores: NaN }",
        "settings: { cores: '2' }",
        "settings: { intensity: 0.8 }",
        "settings: { intensity: 101 }",
        "settings: { pauseOnBattery: 'yes' }",
        "settings: { background: 1 }",
        "settings: { hours: 5 }",
        "settings: { hours: {} }",
        "settings: { hours: { from: 60 } }",
        "settings: { hours: { from: -1, to: 5 } }",
        "settings: { hours: { from: 1.5, to: 5 } }",
        "settings: { hours: { from: 0, to: 1441 } }",
        "settings: { hours: { from: 0, to: 5, till: 6 } }",
        "settings: { cores: 1.5 }",
        "settings: { intensity: 33.3 }",
        "settings: { core: 1 }",
        "settings: { get cores() { throw 1 } }",
        "nicknam: 'Ada'",
        "get nicknam() { throw 1 }",
        "limit: {}",
        "limits: { jobTimeout: 5000 }",
        "limits: 'none'",
        "limits: { jobTimeoutMs: 0 }",
        "limits: { stallMs: 'long' }",
        "limits: { progressIntervalMs: NaN }",
        "limits: { stallMs: 10n }",
    ] {
        assert_eq!(fault(construct(&evaluate(&good(more)))), argument, "{more}");
    }
    for url in ["''", "'/here'", "'ftp://x'", "'http://['"] {
        let options = good(&format!("url: {url}"));
        let invalid = named("InvalidURLError", "invalid_url");
        assert_eq!(fault(construct(&evaluate(&options))), invalid, "{url}");
    }
    for (more, said) in [
        (
            "nicknam: 'Ada'",
            "unknown option 'nicknam'; did you mean 'nickname'?",
        ),
        (
            "settings: { core: 1 }",
            "unknown setting 'core'; did you mean 'cores'?",
        ),
        (
            "limits: { jobTimeout: 1 }",
            "unknown limit 'jobTimeout'; did you mean 'jobTimeoutMs'?",
        ),
        (
            "settings: { cores: 1025 }",
            "cores must be a number from 1 to 1024; it is 1025.",
        ),
        (
            "settings: { hours: { from: 1.5, to: 5 } }",
            "from must be a whole number of minutes from 0 to 1440; it is 1.5.",
        ),
        (
            "settings: { background: 'yes' }",
            "background must be true or false; it is \"yes\".",
        ),
    ] {
        let refused = construct(&evaluate(&good(more))).expect_err("a typo");
        assert_eq!(text(&refused, "message"), said);
    }
    let tab = Tab::at(&somewhere());
    tab.does("set", &[evaluate("({ hours: { from: 1320, to: 1440 } })")]);
    assert_eq!(
        json(&get(&get(&tab.status(), "settings"), "hours")),
        r#"{"from":1320,"to":1440}"#,
        "to 24:00"
    );
    for (method, bad) in [
        ("subscribe", "undefined"),
        ("subscribe", "({})"),
        ("pause", "'long'"),
        ("pause", "-1"),
        ("pause", "NaN"),
        ("pause", "({})"),
        ("stop", "true"),
        ("stop", "({ finish: 1 })"),
        ("stop", "({ finsh: true })"),
        ("set", "({ core: 1 })"),
        ("stop", "new Proxy({}, { get() { throw 1 } })"),
        ("set", "undefined"),
        ("set", "null"),
        ("set", "7"),
        ("set", "({ cores: 1e6 })"),
        ("set", "({ hours: [] })"),
        ("set", "({ nickname: 7 })"),
        ("set", "({ nickname: 'x'.repeat(129) })"),
        ("set", "({ nickname: 'a\\0b', cores: 2 })"),
    ] {
        let outcome = start(&tab.volunteer, method, &[evaluate(bad)]);
        assert_eq!(fault(outcome), argument, "{method}({bad})");
    }
    assert_eq!(tab.state(), "stopped");
    tab.does(
        "set",
        &[evaluate("({ cores: 2, hours: { from: 1320, to: 360 } })")],
    );
    tab.does("set", &[evaluate("({ intensity: 36 })")]);
    assert_eq!(
        json(&get(&tab.status(), "settings")),
        r#"{"cores":2,"intensity":40,"pauseOnBattery":true,"background":true,"hours":{"from":1320,"to":360}}"#
    );
    tab.does("set", &[evaluate("({ hours: null })")]);
    assert!(get(&get(&tab.status(), "settings"), "hours").is_null());
}

#[test]
async fn what_other_workers_and_tabs_say_is_taken_for_what_it_is() {
    load_crew().await;
    let url = somewhere();
    let tab = Tab::computing(&url, 1).await;
    for message in [
        "({ t: 'cores', want: 'many' })",
        "({ t: 'cores' })",
        "({ t: 5 })",
        "({})",
        "({ t: 'replace', core: -1 })",
        "({ t: 'status', status: 7 })",
        "({ t: 'status' })",
        "({ t: 'unheard of' })",
        "({ t: 'ready' })",
    ] {
        tab.says(0, message);
    }
    // A core is no hub, and what has no mark is the owner's own.
    tab.says(1, "({ t: 'stopped' })");
    tab.says(1, "({ t: 'cores', want: 9 })");
    tab.says(0, "({ t: 'stopped', dc: 2 })");
    let channel = evaluate(&format!("new BroadcastChannel('distcompute {url}')"));
    for message in [
        "undefined",
        "7",
        "({ t: 'word', word: 'no word' })",
        "({ t: 'word', word: 'set', given: 7 })",
        "({ t: 'word', word: 'set', given: { cores: 0 } })",
        "({ t: 'status', status: null })",
    ] {
        call(&channel, "postMessage", &[evaluate(message)])
            .await
            .expect("posts");
    }
    call(
        &channel,
        "postMessage",
        &[evaluate("({ t: 'word', word: 'pause' })")],
    )
    .await
    .expect("posts");
    tab.crew.heard(0, "pause", 1).await.expect("the pause");
    tab.says(0, "({ t: 'status', status: { jobsDone: 9 } })");
    tab.reaches("s => s.jobsDone === 9").await;
    assert_eq!(tab.crew.workers().length(), 2);
    call(&channel, "close", &[]).await.expect("closes");
}

/// Another script of the page's origin, which knows the channel.
struct Stranger(JsValue);

impl Stranger {
    fn at(url: &str) -> Self {
        Self(evaluate(&format!(
            "new BroadcastChannel('distcompute {url}')"
        )))
    }

    fn posts(&self, message: &str) {
        start(&self.0, "postMessage", &[evaluate(message)]).unwrap_or_else(|e| panic!("{e:?}"));
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = start(&self.0, "close", &[]);
    }
}

async fn sleep(ms: u32) {
    let wait = format!("new Promise((resolve) => setTimeout(resolve, {ms}))");
    settled(evaluate(&wait)).await.expect("time passes");
}

#[test]
async fn settings_from_another_tab_have_the_same_bounds_and_are_shown() {
    load_crew().await;
    let url = somewhere();
    let tab = Tab::computing(&url, 1).await;
    let before = json(&get(&tab.status(), "settings"));
    let stranger = Stranger::at(&url);
    for wild in [
        "{ cores: 1e9 }",
        "{ cores: -1 }",
        "{ cores: NaN }",
        "{ cores: 2.5 }",
        "{ cores: '4' }",
        "{ cores: [4] }",
        "{ intensity: 1000 }",
        "{ intensity: 0 }",
        "{ intensity: Infinity }",
        "{ background: 'no' }",
        "{ pauseOnBattery: 0 }",
        "{ hours: 7 }",
        "{ hours: { from: 0 } }",
        "{ hours: { from: 0, to: 1e9 } }",
        "{ cores: 2, intensity: 5000 }",
        "'x'.repeat(3_000_000)",
        "null",
    ] {
        let post = format!("({{ t: 'word', word: 'set', given: {wild} }})");
        stranger.posts(&post);
    }
    for pause in ["-1", "NaN", "'long'", "{}", "[]"] {
        stranger.posts(&format!("({{ t: 'word', word: 'pause', given: {pause} }})"));
    }
    // Where it works, which project it is and what its workers run is nobody's word on the channel.
    for word in [
        "url",
        "open",
        "keep",
        "free",
        "granted",
        "died",
        "hub:cores",
        "hub:fatal",
    ] {
        stranger.posts(&format!("({{ t: 'word', word: '{word}', given: 1000 }})"));
        stranger.posts(&format!("({{ t: '{word}', given: 1000 }})"));
    }
    let fits = "({ t: 'word', word: 'set', given: \
        { cores: 3, intensity: 50, url: 'http://elsewhere.example', nickname: 'Eve' } })";
    stranger.posts(fits);
    let told = tab.crew.heard(0, "settings", 1).await.expect("settings");
    let told = get(&told, "settings");
    assert_eq!(
        (get(&told, "cores"), get(&told, "intensity")),
        (3.into(), 50.into())
    );
    assert!(get(&told, "url").is_undefined());
    // What is in force is what is shown, and only that was taken.
    let shown = tab.reaches("s => s.settings.cores === 3").await;
    assert_eq!(json(&get(&shown, "settings")), json(&told));
    assert_ne!(json(&told), before);
    assert_eq!(text(&shown, "state"), "computing");
    assert_eq!(tab.crew.workers().length(), 2);
}

#[test]
async fn a_forged_status_is_shown_only_as_far_as_it_is_one() {
    load_crew().await;
    let url = somewhere();
    let tab = Tab::at(&url);
    let stranger = Stranger::at(&url);
    let deep =
        "(() => { let deep = []; for (let i = 0; i < 2000; i++) deep = [deep]; return deep })()";
    for forged in [
        "7",
        "null",
        "{}",
        "{ state: 'computing' }",
        "{ state: 'hacked', reason: { code: 'computing' } }",
        "{ state: 'computing', reason: { code: 7 } }",
    ] {
        stranger.posts(&format!("({{ t: 'status', status: {forged} }})"));
    }
    stranger.posts(&format!(
        "({{ t: 'status', status: {{ state: 'computing', reason: {{ code: 'computing', until: 'x' }}, \
           jobsDone: -7, computeMs: 'long', waiting: NaN, bytesSent: 12, cores: new Array(5000).fill(9), \
           project: 'p'.repeat(100000), displayName: 5, stageNames: {{ a: 7, b: 'B', x: 'X' }}, \
           jobsByStage: 'many', settings: {{ cores: 999 }}, error: {deep}, lastError: 5, \
           connection: 'maybe', extra: {deep} }} }})"
    ));
    let shown = tab.reaches("s => s.state === 'elsewhere'").await;
    let number = |name: &str| get(&shown, name).as_f64().expect("a number");
    assert_eq!(
        ["jobsDone", "computeMs", "waiting", "bytesSent"].map(number),
        [0.0, 0.0, 0.0, 12.0]
    );
    let cores = Array::from(&get(&shown, "cores"));
    assert_eq!(cores.length(), 1_024);
    assert_eq!(text(&cores.get(0), "state"), "idle");
    assert!(text(&shown, "project").len() < 3_000);
    assert_eq!(text(&shown, "displayName"), "");
    assert_eq!(json(&get(&shown, "stageNames")), r#"{"a":"","b":"B"}"#);
    assert_eq!(json(&get(&shown, "jobsByStage")), "{}");
    assert_eq!(text(&shown, "connection"), "online");
    let elsewhere = get(&shown, "elsewhere");
    assert_eq!(text(&elsewhere, "state"), "computing");
    assert!(get(&get(&elsewhere, "reason"), "until").is_null());
    assert!(get(&shown, "extra").is_undefined());
    assert_ne!(get(&get(&shown, "settings"), "cores"), 999);
    // It starts all the same.
    tab.does("start", &[]);
    tab.crew.heard(0, "hub", 1).await.expect("a hub");
}

#[test]
async fn a_flood_on_the_channel_is_not_read_and_starves_nobody() {
    load_crew().await;
    let url = somewhere();
    let tab = Tab::computing(&url, 1).await;
    let stranger = Stranger::at(&url);
    // Each change that is read reaches the hub.
    let flood = "(channel) => { for (let i = 0; i < 5000; i++) \
        channel.postMessage({ t: 'word', word: 'set', given: { cores: 1 + i % 1000 } }); }";
    let flood: Function = evaluate(flood).unchecked_into();
    for round in 1..=3_u32 {
        flood
            .call1(&JsValue::UNDEFINED, &stranger.0)
            .expect("floods");
        let began = now_ms();
        let status = format!(
            "({{ t: 'status', status: {{ state: 'computing', jobsDone: {} }} }})",
            100 + round
        );
        tab.says(0, &status);
        tab.reaches(&format!("s => s.jobsDone === {}", 100 + round))
            .await;
        let took = now_ms() - began;
        assert!(took < 2_000.0, "{took} ms");
    }
    let heard = "(crew) => crew.workers[0].heard.filter(({ t }) => t === 'settings').length";
    let heard: Function = evaluate(heard).unchecked_into();
    let read = heard.call1(&JsValue::UNDEFINED, &tab.crew).expect("counts");
    let read = read.as_f64().expect("a number");
    assert!((1.0..=800.0).contains(&read), "{read} of 15,000");
    // What this tab says reaches the others also while it does not listen.
    let hears: Function = evaluate(
        "(channel) => new Promise((resolve) => { channel.onmessage = ({ data }) => \
           data.word === 'pause' && resolve(data.given); })",
    )
    .unchecked_into();
    let heard = hears
        .call1(&JsValue::UNDEFINED, &stranger.0)
        .expect("listens");
    tab.does("pause", &[60_000.into()]);
    assert_eq!(settled(heard).await.expect("hears"), 60_000);
    tab.does("resume", &[]);
    // Afterwards other tabs are heard again.
    sleep(1_500).await;
    stranger.posts("({ t: 'word', word: 'set', given: { cores: 1024, intensity: 20 } })");
    tab.reaches("s => s.settings.intensity === 20").await;
    assert_eq!(text(&tab.status(), "state"), "computing");
}

/// A server in the tracker's place whose answers have no end: each pull brings more.
const ENDLESS: &str = "async (request) => { \
    const all = (globalThis.pulled ??= {}), path = new URL(request.url ?? request).pathname; \
    const chunk = new Uint8Array(16384).fill(91); \
    all[path] ??= { bytes: 0, ended: false }; \
    const one = all[path]; \
    request.signal?.addEventListener('abort', () => (one.ended = true)); \
    return new Response(new ReadableStream({ \
      pull(controller) { one.bytes += chunk.length; controller.enqueue(chunk); }, \
    })); }";

#[test]
async fn an_answer_without_end_is_read_to_its_bound_and_has_a_code() {
    load_crew().await;
    let endless = Silent::new("globalThis", "fetch", ENDLESS);
    let outcome = init(&[
        ("url", somewhere().into()),
        ("stage", "a".into()),
        ("verbose", false.into()),
    ])
    .await;
    assert_eq!(fault(outcome), named("ServerError", "answer_too_large"));
    let pulled = evaluate("Object.values(globalThis.pulled)");
    let [one] = &Array::from(&pulled).to_vec()[..] else {
        panic!("{}", json(&pulled));
    };
    let bytes = get(one, "bytes").as_f64().expect("bytes");
    assert!((65_536.0..131_072.0).contains(&bytes), "{bytes}");
    assert_eq!(get(one, "ended"), true);
    drop(endless);
}
