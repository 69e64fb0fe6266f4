//! The worker script's side in a real browser: `work`, and a compute worker whose hub is the test.

#![cfg(target_family = "wasm")]

#[path = "web/support.rs"]
#[allow(dead_code, reason = "what the other browser tests need besides")]
mod support;

use distcompute_client::web::compute::{self, Core};
use distcompute_client::web::signals::Signals;
use distcompute_client::web::work::{run_job, work};
use distcompute_engine::core::throttle::STOP;
use js_sys::{Array, Function, Object, Reflect};
use support::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen(module = "/src/web/worker.js")]
extern "C" {
    #[wasm_bindgen(js_name = countNested)]
    fn count_nested();
}

async fn sleep(ms: u32) {
    gloo_timers::future::TimeoutFuture::new(ms).await;
}

/// What a function of `channel.js` returns.
async fn from_channel(name: &str) -> JsValue {
    let module = load("/tests/web/channel.js").await;
    start(&module, name, &[]).expect("it returns")
}

/// The hub of one compute worker.
struct Hub {
    js: JsValue,
    core: Core,
}

impl Hub {
    /// A compute worker with this handler, which is up.
    async fn of(handler: &str) -> Self {
        let hub = Self::start(None, handler).await;
        hub.wait_for("up").await;
        hub
    }

    async fn start(setup: Option<&str>, handler: &str) -> Self {
        let js = from_channel("channel").await;
        let setup = setup.map_or(JsValue::UNDEFINED, |s| Function::new_no_args(s).into());
        let handler = Function::new_with_args("job, context", handler).into();
        let parts = object(&[("setup", setup), ("handler", handler)]);
        let core = compute::start(&parts, &get(&js, "theirs"));
        Self { js, core }
    }

    async fn wait_for(&self, t: &str) -> JsValue {
        call(&self.js, "said", &[t.into()]).await.expect("said");
        let seen = self.seen().into_iter();
        let mut fitting = seen.filter(|message| text(message, "t") == t);
        fitting.next().expect("it was said")
    }

    fn seen(&self) -> Vec<JsValue> {
        Array::from(&get(&self.js, "seen")).to_vec()
    }

    fn send(&self, t: &str, entries: &[(&str, JsValue)]) {
        let entries = [&[("t", t.into())], entries].concat();
        start(&self.js, "send", &[object(&entries)]).expect("sends");
    }

    /// Hands out one job for each of `data`; their keys count from 0.
    fn hand_out(&self, data: &[&str]) {
        let jobs = data.iter().enumerate().map(|(key, data)| job(key, data));
        let jobs: Array = jobs.collect();
        self.send(
            "jobs",
            &[("jobs", jobs.into()), ("project", "Wasm tests".into())],
        );
    }

    /// A job has begun.
    async fn started(&self, key: u32) {
        call(&self.js, "started", &[key.into()])
            .await
            .expect("it begins");
    }

    async fn results(&self, count: u32) -> Vec<JsValue> {
        let done = call(&self.js, "done", &[count.into()]).await;
        Array::from(&done.expect("results")).to_vec()
    }

    /// What became of the only job.
    async fn only(&self, data: &str) -> JsValue {
        self.hand_out(&[data]);
        self.results(1).await.remove(0)
    }
}

fn run(script: &str) -> JsValue {
    Function::new_no_args(script)
        .call0(&JsValue::UNDEFINED)
        .expect("it runs")
}

fn list(slots: Vec<JsValue>) -> JsValue {
    slots.into_iter().collect::<Array>().into()
}

fn job(key: usize, data: &str) -> JsValue {
    object(&[
        ("key", JsValue::from(key as u32)),
        ("number", JsValue::from(key as u32 + 100)),
        ("attempt", 2.into()),
        ("stage", "b".into()),
        ("stageName", "Check".into()),
        ("data", data.into()),
    ])
}

/// What the handlers that wait for `gate` wait for.
fn gate() -> JsValue {
    run("let open; globalThis.gate = new Promise((r) => (open = r)); return { open }")
}

fn number(value: &JsValue, name: &str) -> f64 {
    let property = get(value, name);
    property
        .as_f64()
        .unwrap_or_else(|| panic!("{name} is {property:?}"))
}

/// The kind of a result and its message.
fn kind(result: &JsValue) -> (String, String) {
    (text(result, "kind"), text(result, "message"))
}

#[test]
async fn a_handler_gets_its_job_and_its_output_is_handed_in() {
    let hub = Hub::start(
        Some("return Promise.resolve({ kernel: 7 })"),
        "const { setup, stage, stageName, project, restored } = context;
         return [job.id, job.data, job.attempt, job.stage, setup, stage, stageName, project, restored ?? null]",
    )
    .await;
    hub.wait_for("up").await;
    hub.hand_out(&["<!json!>{\"shard\":1}", "ä text"]);
    let results = hub.results(2).await;
    let outputs: Vec<_> = results.iter().map(|r| text(r, "data")).collect();
    let rest = r#"2,"b",{"kernel":7},"b","Check","Wasm tests",null]"#;
    assert_eq!(
        outputs,
        [
            format!("<!json!>[100,{{\"shard\":1}},{rest}"),
            format!("<!json!>[101,\"ä text\",{rest}"),
        ]
    );
    assert_eq!(number(&results[1], "key"), 1.0);
    assert!(number(&results[0], "ms") >= 0.0);
}

#[test]
async fn a_setup_that_fails_is_said_to_whoever_becomes_the_hub() {
    let hub = Hub::start(Some("throw new Error('no such model')"), "return ''").await;
    let broken = hub.wait_for("broken").await;
    let message = text(&broken, "message");
    // What follows is the stack, which in V8 begins with the same.
    let (head, frames) = message.split_once('\n').expect("a stack");
    assert_eq!(head, "Error: no such model");
    assert!(!frames.contains("no such model"), "{message}");
    assert!(frames.contains("worker.js"), "{message}");
    let other = from_channel("channel").await;
    hub.core.meet(&get(&other, "theirs"));
    call(&other, "said", &["broken".into()])
        .await
        .expect("said");
}

#[test]
async fn what_json_would_lose_of_a_result_is_refused_with_its_path() {
    // Each as JavaScript, and how the refusal begins; or what is handed in.
    let refused = [
        (
            "{ pages: [1, 2, 3, { score: NaN }] }",
            "result.pages[3].score is NaN",
        ),
        ("[[-Infinity]]", "result[0][0] is -Infinity"),
        ("{ a: new Map([[1, 2]]) }", "result.a is a Map"),
        ("[new Set([1])]", "result[0] is a Set"),
        (
            "{ a: { b: new Float32Array(2) } }",
            "result.a.b is a Float32Array",
        ),
        ("{ a: new ArrayBuffer(2) }", "result.a is an ArrayBuffer"),
        (
            "{ a: new DataView(new ArrayBuffer(2)) }",
            "result.a is a DataView",
        ),
        ("{ a: new Date() }", "result.a is a Date"),
        ("{ a: /x/ }", "result.a is a RegExp"),
        ("{ a: 5n }", "result.a is a BigInt"),
        ("{ a: new Error('x') }", "result.a is an Error"),
        ("{ a() {} }", "result.a is a function"),
        ("{ a: Symbol('x') }", "result.a is a symbol"),
        ("{ a: [1, undefined] }", "result.a[1] is undefined"),
        ("[, 1]", "result[0] is undefined"),
        ("{ a: Promise.resolve(1) }", "result.a is a Promise"),
        ("{ a: new Number(NaN) }", "result.a is NaN"),
        (
            "{ a: new (class { #hidden = 1; })() }",
            "result.a is an instance of a class",
        ),
        (
            "{ a: new (class { b = 1; get c() { return 2; } })() }",
            "result.a is an instance",
        ),
        ("{ 'a b': { c: NaN } }", "result[\"a b\"].c is NaN"),
        ("{ a: 'x\\ud800y' }", "result.a has half a character"),
        (
            "{ 'k\\udc00': 1 }",
            "result[\"k\\udc00\"] has half a character",
        ),
        (
            "(() => { const a = [{}]; a[0].b = a; return { a }; })()",
            "result.a[0].b contains itself",
        ),
        ("[{ toJSON: () => ({ a: NaN }) }]", "result[0].a is NaN"),
        ("{ get a() { throw 1; } }", "result cannot be read"),
        (
            "{ a: Object.freeze(new Proxy({ b: NaN }, {})) }",
            "result.a.b is NaN",
        ),
        (
            "(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return { a: proxy }; })()",
            "result cannot be read",
        ),
        (
            "(() => { let a = []; for (let n = 0; n < 5000; n++) a = [a]; return { a }; })()",
            "result.a[0][0]",
        ),
        (
            "(() => { const endless = () => ({ get a() { return endless(); } }); return endless(); })()",
            "result.a.a",
        ),
    ];
    let taken = [
        ("{ a: undefined, b: 1 }", "{\"b\":1}"),
        ("{ a: new (class { b = 1; })() }", "{\"a\":{\"b\":1}}"),
        (
            "{ a: new (class { #b = 1; toJSON() { return { b: this.#b }; } })() }",
            "{\"a\":{\"b\":1}}",
        ),
        (
            "{ a: new URL('http://a.example') }",
            "{\"a\":\"http://a.example/\"}",
        ),
        (
            "Object.assign(Object.create(null), { a: null })",
            "{\"a\":null}",
        ),
        (
            "['\\\\ud800', '\u{1F600}']",
            "[\"\\\\ud800\",\"\u{1F600}\"]",
        ),
        ("[new String('a'), new Boolean(false)]", "[\"a\",false]"),
    ];
    let cases = refused.iter().chain(&taken);
    let made: String = cases
        .clone()
        .enumerate()
        .map(|(at, (code, _))| format!("case '{at}': return ({code});"))
        .collect();
    let hub = Hub::of(&format!("switch (job.data) {{ {made} }}")).await;
    let jobs: Vec<String> = (0..cases.clone().count())
        .map(|at| at.to_string())
        .collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    hub.hand_out(&jobs);
    let results = hub.results(jobs.len() as u32).await;
    for ((code, wanted), result) in refused.iter().zip(&results) {
        let (kind, message) = kind(result);
        assert_eq!(kind, "failed", "{code}");
        let wanted = format!("the output cannot be handed in: {wanted}");
        assert!(message.starts_with(&wanted), "{code}: {message}");
    }
    for ((code, wanted), result) in taken.iter().zip(&results[refused.len()..]) {
        assert_eq!(text(result, "kind"), "done", "{code}: {result:?}");
        assert_eq!(text(result, "data"), format!("<!json!>{wanted}"), "{code}");
    }
}

#[test]
async fn whatever_a_handler_does_the_next_job_is_done() {
    let handler = "
        const bad = () => { throw new Error('a getter'); };
        switch (job.data) {
            case 'null': throw null;
            case 'text': throw 'plainly';
            case 'proxy': throw new Proxy({}, { get: bad, getPrototypeOf: bad });
            case 'getter': throw { get message() { return bad(); } };
            case 'cycle': { const cycle = {}; cycle.self = cycle; return cycle; }
            case 'nothing': return;
            case 'number': return 5;
            case 'zero': return 'a\\0b';
            case 'map': return new Map();
            case 'then': return { get then() { return bad(); } };
            case 'constructor': {
                const promise = Promise.resolve('late');
                Object.defineProperty(promise, 'constructor', { get: bad });
                return promise;
            }
            case 'rejects': return Promise.reject(undefined);
            case 'thenable': return { then: (resolve) => resolve(['later']) };
            case 'toJSON': return { toJSON() { context.progress(1, 2); return [1]; } };
            case 'async': return (async () => { await null; return {}; })();
            case 'cause': {
                const error = new Error('no such model', { cause: new RangeError('bad range') });
                throw Object.assign(error, { name: 'NoModelError' });
            }
            case 'plain': throw { code: 5 };
            case 'wordless': throw new TypeError();
        }";
    let hub = Hub::of(handler).await;
    let failing = [
        ("null", "null"),
        ("text", "plainly"),
        ("proxy", "an object"),
        ("getter", "[object Object]"),
        (
            "cycle",
            "the output cannot be handed in: result.self contains itself",
        ),
        ("nothing", "the output cannot be handed in: data must be"),
        ("number", "the output cannot be handed in: data must be"),
        ("zero", "the output cannot be handed in: data contains"),
        ("map", "the output cannot be handed in: data must be"),
        ("then", "Error: a getter\n"),
        ("constructor", "Error: a getter\n"),
        ("rejects", "undefined"),
        (
            "cause",
            "NoModelError: no such model\nCaused by: RangeError: bad range\n",
        ),
        ("plain", "{\"code\":5}"),
        ("wordless", "TypeError\n"),
    ];
    let working = [
        ("thenable", "<!json!>[\"later\"]"),
        ("toJSON", "<!json!>[1]"),
        ("async", "<!json!>{}"),
    ];
    let jobs: Vec<_> = failing
        .iter()
        .chain(&working)
        .map(|(data, _)| *data)
        .collect();
    hub.hand_out(&jobs);
    let results = hub.results(jobs.len() as u32).await;
    for ((data, wanted), result) in failing.iter().zip(&results) {
        let (kind, message) = kind(result);
        assert_eq!(kind, "failed", "{data}");
        assert!(message.starts_with(wanted), "{data}: {message}");
        if let Some((head, _)) = wanted.split_once('\n') {
            let (_, message) = head.split_once(": ").unwrap_or(("", head));
            let rest = &text(result, "message")[wanted.len()..];
            assert!(
                !rest.contains(message),
                "said twice: {data}: {wanted}{rest}"
            );
            assert!(
                rest.contains("worker.js"),
                "no stack: {data}: {wanted}{rest}"
            );
        }
        assert!(!get(result, "fatal").is_truthy(), "{data}");
    }
    for ((data, wanted), result) in working.iter().zip(&results[failing.len()..]) {
        assert_eq!(text(result, "kind"), "done", "{data}");
        assert_eq!(text(result, "data"), *wanted);
    }
}

#[test]
async fn a_trap_is_fatal() {
    let handler = "
        const trap = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102,
            0, 0, 10, 5, 1, 3, 0, 0, 11];
        const module = new WebAssembly.Module(new Uint8Array(trap));
        new WebAssembly.Instance(module).exports.f();";
    let hub = Hub::of(handler).await;
    let result = hub.only("").await;
    assert_eq!(text(&result, "kind"), "failed");
    assert_eq!(get(&result, "fatal"), JsValue::TRUE);
}

#[test]
async fn data_that_is_flagged_or_is_not_the_json_that_it_claims_is_invalid() {
    let handler = "
        if (job.data === 'caught') { try { context.invalid('really'); } catch { return 'fine'; } }
        if (job.data === 'odd') context.invalid({ toString() { throw 1; } });
        context.invalid('no such shard');";
    let hub = Hub::of(handler).await;
    hub.hand_out(&["", "caught", "odd", "<!json!>{"]);
    let results = hub.results(4).await;
    let kinds: Vec<_> = results.iter().map(kind).collect();
    let invalid = |message: &str| ("invalid".to_owned(), message.to_owned());
    assert_eq!(
        kinds[..3],
        [
            invalid("no such shard"),
            invalid("really"),
            invalid("the handler found it invalid"),
        ]
    );
    assert_eq!(kinds[3].0, "invalid");
    assert!(kinds[3].1.starts_with("the data says that it is JSON"));
}

#[test]
async fn a_checkpoint_comes_at_once_and_what_cannot_be_cloned_is_a_wrong_argument() {
    let handler = "
        context.checkpoint({ row: (context.restored?.row ?? 0) + 1 });
        const told = [() => {}, { get x() { context.progress(1, 2); throw new Error('odd'); } }];
        return told.map((state) => {
            try { context.checkpoint(state); } catch (error) { return error.name; }
        });";
    let hub = Hub::of(handler).await;
    let first = job(0, "");
    let second = job(1, "");
    Reflect::set(&second, &"resume".into(), &object(&[("row", 41.into())])).expect("set");
    hub.send("jobs", &[("jobs", Array::of2(&first, &second).into())]);
    let results = hub.results(2).await;
    let wrong = "<!json!>[\"InvalidArgumentError\",\"InvalidArgumentError\"]";
    for result in &results {
        assert_eq!(text(result, "data"), wrong);
    }
    let seen = hub.seen().into_iter().map(|m| get(&m, "checkpoint"));
    let saved: Vec<_> = seen
        .filter(JsValue::is_object)
        .map(|checkpoint| {
            (
                number(&checkpoint, "key"),
                number(&get(&checkpoint, "state"), "row"),
            )
        })
        .collect();
    assert_eq!(saved, [(0.0, 1.0), (1.0, 42.0)]);
}

#[test]
async fn progress_takes_numbers_and_text_and_nothing_after_the_end() {
    let handler = "
        if (job.data === 'late') return globalThis.former.progress('anything') ?? 'ignored';
        globalThis.former = context;
        const { progress } = context;
        progress(0, 10);
        const wrong = [[], ['1', 2], [NaN, 2], [1, Infinity], [-1, 2], [1, 2, 3], [1, 2, 'a\\0']];
        return wrong.map((given) => {
            try { progress(...given); } catch (error) { return error.code; }
        });";
    let hub = Hub::of(handler).await;
    hub.hand_out(&["", "late"]);
    let results = hub.results(2).await;
    let codes = ["\"invalid_argument\""; 7].join(",");
    assert_eq!(text(&results[0], "data"), format!("<!json!>[{codes}]"));
    assert_eq!(text(&results[1], "data"), "ignored");
}

#[test]
async fn a_busy_handler_says_its_beginning_and_now_and_then_its_last_progress() {
    let handler = "
        const begun = performance.now();
        for (let calls = 0; ; calls += 1) {
            if (performance.now() - begun > 900) return [calls];
            context.progress(calls, 1e9, 'line');
        }";
    let hub = Hub::of(handler).await;
    let result = hub.only("").await;
    let calls = text(&result, "data");
    let calls: f64 = calls
        .trim_start_matches("<!json!>[")
        .trim_end_matches(']')
        .parse()
        .expect("a number");
    let seen = hub.seen();
    assert!(seen.iter().any(|m| get(m, "started").as_f64() == Some(0.0)));
    let progress = seen.iter().map(|m| get(m, "progress"));
    let progress: Vec<_> = progress.filter(JsValue::is_object).collect();
    assert!((4..=6).contains(&progress.len()), "{}", progress.len());
    let done: Vec<_> = progress.iter().map(|p| number(p, "done")).collect();
    assert!(done.is_sorted() && done[0] == 0.0 && done[done.len() - 1] < calls);
    assert_eq!(text(&progress[1], "text"), "line");
    assert_eq!(number(&progress[1], "total"), 1e9);
}

#[test]
async fn small_jobs_share_their_reports() {
    let hub = Hub::of("return ''").await;
    let begun = now_ms();
    hub.hand_out(&[""; 2_000]);
    let results = hub.results(2_000).await;
    // At first each might be long.
    let most = ((now_ms() - begun) / 10.0) as usize + 30;
    let keys: Vec<_> = results.iter().map(|r| number(r, "key")).collect();
    assert!(keys.is_sorted());
    let reports = hub.seen().len();
    assert!(reports <= most, "{reports} reports, {most} at most");
}

#[test]
async fn a_result_is_said_before_a_job_that_may_be_long() {
    let hub = Hub::of("return ''").await;
    hub.hand_out(&["", ""]);
    hub.results(2).await;
    let results = hub.seen().into_iter().map(|m| get(&m, "results"));
    let results = results.filter(JsValue::is_object);
    let counts: Vec<_> = results.map(|list| Array::from(&list).length()).collect();
    assert_eq!(counts, [1, 1]);
}

#[test]
async fn intensity_holds_inside_a_synchronous_handler_and_between_jobs() {
    let handler = "
        const now = () => performance.now();
        let worked = 0;
        const work = (ms) => { const begun = now(); while (now() - begun < ms); worked += now() - begun; };
        if (job.data === 'short') { work(7); return [worked]; }
        const begun = now();
        while (now() - begun < 4000) { work(3); context.progress(now() - begun, 4000); }
        return [worked, now() - begun];";
    let hub = Hub::of(handler).await;
    hub.send("intensity", &[("intensity", 3.into())]);
    let result = hub.only("long").await;
    let said = js_sys::JSON::parse(&text(&result, "data")[8..]).expect("JSON");
    let said = Array::from(&said);
    let (worked, passed) = (said.get(0).as_f64(), said.get(1).as_f64());
    let (worked, passed) = (worked.expect("a number"), passed.expect("a number"));
    let share = worked / passed;
    assert!((share - 0.3).abs() < 0.05, "in the handler: {share}");
    // Sleeps do not count as work.
    let ms = number(&result, "ms");
    assert!((ms - worked).abs() < 0.05 * passed, "{ms} of {worked} ms");

    let begun = now_ms();
    hub.hand_out(&["short"; 60]);
    let results = hub.results(61).await;
    let worked: f64 = results[1..].iter().map(|r| number(r, "ms")).sum();
    let share = worked / (now_ms() - begun);
    assert!((share - 0.3).abs() < 0.05, "between jobs: {share}");
}

#[test]
async fn a_busy_handler_is_stopped_once_by_a_signal() {
    let handler = "
        if (job.data === 'next') { work(600); return 'went on'; }
        const { signal } = context;
        work(400);
        say_stop();
        try { work(10000); } catch (error) {
            if (signal.reason !== error) throw new Error('another reason');
            throw error;
        }
        function work(ms) {
            const begun = performance.now();
            while (performance.now() - begun < ms) context.progress(0, 1);
        }";
    let hub = Hub::of(handler).await;
    let mut signals = Signals::new(10);
    let slots = signals.top_up().expect("slots");
    assert_eq!(slots.len(), 16);
    assert!(signals.top_up().is_none());
    hub.send("signals", &[("slots", list(slots))]);
    let said_at = now_ms();
    let say: Box<dyn FnMut() -> bool> = Box::new(move || signals.send(3) && signals.send(STOP));
    let say = Closure::wrap(say);
    Reflect::set(&js_sys::global(), &"say_stop".into(), say.as_ref()).expect("set");
    hub.hand_out(&["", "next"]);
    let stopped = hub.results(1).await.remove(0);
    assert_eq!(text(&stopped, "kind"), "stopped");
    let took = now_ms() - said_at;
    assert!((400.0..3_000.0).contains(&took), "{took} ms");
    // The message that goes with it comes later, and is for nobody any more.
    hub.send("stop", &[("key", 0.into()), ("signalled", true.into())]);
    let results = hub.results(2).await;
    assert_eq!(text(&results[1], "data"), "went on");
    // The level that was said before the stop was heard too.
    assert!(number(&results[1], "ms") < 400.0);
}

#[test]
async fn an_async_handler_is_stopped_by_a_message_and_not_again_by_the_signal() {
    let handler = "
        if (job.data === 'next') {
            const begun = performance.now();
            while (performance.now() - begun < 600) context.progress(0, 1);
            return 'went on';
        }
        return new Promise((_, reject) => {
            context.signal.addEventListener('abort', () => {
                try { context.progress(1, 2); } catch (error) { reject(error); }
            });
        });";
    let hub = Hub::of(handler).await;
    let mut signals = Signals::new(10);
    let slots = signals.top_up().expect("slots");
    hub.send("signals", &[("slots", list(slots))]);
    hub.hand_out(&["", "next"]);
    let report = hub.wait_for("report").await;
    assert_eq!(get(&report, "started").as_f64(), Some(0.0));
    assert!(signals.send(STOP));
    hub.send("stop", &[("key", 0.into()), ("signalled", true.into())]);
    let results = hub.results(2).await;
    assert_eq!(text(&results[0], "kind"), "stopped");
    assert_eq!(text(&results[1], "data"), "went on");
}

#[test]
async fn a_paused_handler_sleeps_until_another_thread_says_go_on() {
    let handler = "
        const begun = performance.now();
        let longest = 0;
        for (let last = begun; last - begun < 2000; ) {
            context.progress(0, 1);
            const now = performance.now();
            longest = Math.max(longest, now - last);
            last = now;
        }
        return [longest]";
    let hub = Hub::of(handler).await;
    let other = from_channel("otherThread").await;
    let slots = call(&other, "slots", &[]).await.expect("slots");
    hub.send("signals", &[("slots", slots)]);
    let result = hub.only("").await;
    let longest = &text(&result, "data")[8..];
    let longest: f64 = longest.trim_matches(['[', ']']).parse().expect("a number");
    assert!((600.0..1_900.0).contains(&longest), "{longest} ms");
    assert!(number(&result, "ms") < 1_600.0);
    start(&other, "end", &[]).expect("ends");
}

#[test]
async fn a_paused_handler_whose_hub_is_gone_does_not_sleep_for_ever() {
    let handler = "
        return gate.then(() => {
            const begun = performance.now();
            for (let call = 0; call < 2; call += 1) context.progress(call, 2);
            return [performance.now() - begun];
        });";
    let gate = gate();
    let hub = Hub::of(handler).await;
    hub.hand_out(&[""]);
    hub.wait_for("report").await;
    let mut signals = Signals::new(0);
    let slots = signals.top_up().expect("slots");
    hub.send("signals", &[("slots", list(slots))]);
    hub.send("intensity", &[("intensity", 0.into())]);
    hub.send("recall", &[]);
    hub.wait_for("recalled").await;
    drop(signals);
    start(&gate, "open", &[]).expect("opens");
    let result = hub.results(1).await.remove(0);
    let took = &text(&result, "data")[8..];
    let took: f64 = took.trim_matches(['[', ']']).parse().expect("a number");
    assert!((400.0..5_000.0).contains(&took), "{took} ms");
}

#[test]
async fn what_a_handler_returns_after_it_was_told_to_stop_is_not_handed_in() {
    // As the README invites: it looks at the signal, and returns what it has by then.
    let handler = "
        const { signal, progress } = context;
        if (job.data === 'whole') return 'whole';
        if (job.data === 'flags') {
            return new Promise((resolve, reject) => signal.addEventListener('abort', () => {
                try { context.invalid('looks odd'); } catch (error) { reject(error); }
            }));
        }
        return new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve({ depth: 22 }));
        });";
    let hub = Hub::of(handler).await;
    hub.hand_out(&["", "flags", "whole"]);
    for key in [0, 1] {
        hub.started(key).await;
        hub.send("stop", &[("key", key.into()), ("signalled", false.into())]);
    }
    let results = hub.results(3).await;
    let kinds: Vec<_> = results.iter().map(|result| text(result, "kind")).collect();
    assert_eq!(kinds, ["stopped", "stopped", "done"]);
    assert!(get(&results[0], "data").is_undefined());
    assert!(!get(&results[0], "fatal").is_truthy());
}

#[test]
async fn an_abort_that_nobody_catches_is_neither_an_error_nor_a_failure() {
    // An engine that calls back: from a timer, from a message, and from a promise of its own.
    let handler = "
        return new Promise((resolve) => {
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => { context.progress(1, 2); again(); };
            const again = () => setTimeout(() => {
                if (job.data === 'message') port2.postMessage(null);
                else if (job.data === 'promise') Promise.resolve().then(() => port1.onmessage());
                else port1.onmessage();
            }, 10);
            again();
        });";
    let errors = run("const seen = [];
        addEventListener('error', (event) => event.defaultPrevented || seen.push(event.message));
        addEventListener('unhandledrejection', (e) => e.defaultPrevented || seen.push(e.reason));
        return seen;");
    for data in ["timer", "message", "promise"] {
        let hub = Hub::of(handler).await;
        hub.hand_out(&[data]);
        hub.started(0).await;
        hub.send("stop", &[("key", 0.into()), ("signalled", false.into())]);
        let result = hub.results(1).await.remove(0);
        assert_eq!(text(&result, "kind"), "stopped", "{data}");
        // Its handler may still be at work.
        assert_eq!(get(&result, "fatal"), JsValue::TRUE, "{data}");
    }
    assert_eq!(Array::from(&errors).length(), 0, "{errors:?}");
}

#[test]
async fn an_async_handler_is_told_of_a_pause_and_waits_for_its_end() {
    let handler = "
        const said = [context.paused];
        await gate;
        said.push(context.paused);
        const begun = performance.now();
        await context.ready();
        return [...said, context.paused, performance.now() - begun > 300];";
    let gate = gate();
    let hub = Hub::of(&format!("return (async () => {{ {handler} }})()")).await;
    hub.hand_out(&[""]);
    hub.started(0).await;
    hub.send("intensity", &[("intensity", 0.into())]);
    hub.send("recall", &[]);
    hub.wait_for("recalled").await;
    start(&gate, "open", &[]).expect("opens");
    hub.wait_for("rests").await;
    sleep(500).await;
    hub.send("intensity", &[("intensity", 10.into())]);
    let result = hub.results(1).await.remove(0);
    assert_eq!(text(&result, "data"), "<!json!>[false,true,false,true]");
}

#[test]
async fn a_handler_that_waits_to_be_ready_hears_stop() {
    let hub = Hub::of("return context.ready().then(() => 'went on')").await;
    hub.hand_out(&[""]);
    let first = hub.results(1).await.remove(0);
    assert_eq!(text(&first, "data"), "went on");
    let hub = Hub::of("return gate.then(() => context.ready()).then(() => 'went on')").await;
    let gate = gate();
    hub.hand_out(&[""]);
    hub.started(0).await;
    hub.send("intensity", &[("intensity", 0.into())]);
    hub.send("recall", &[]);
    hub.wait_for("recalled").await;
    start(&gate, "open", &[]).expect("opens");
    hub.wait_for("rests").await;
    hub.send("stop", &[("key", 0.into()), ("signalled", false.into())]);
    let result = hub.results(1).await.remove(0);
    assert_eq!(text(&result, "kind"), "stopped");
}

#[test]
async fn a_paused_core_says_that_it_rests_only_where_that_is_so() {
    // Awaits what uses no core here; computes in pieces; has a worker of its own.
    let handler = "
        return new Promise((resolve) => {
            globalThis.end_job = () => resolve('');
            globalThis.nested_worker = undefined;
            if (job.data === 'pieces') {
                const piece = () => {
                    const begun = performance.now();
                    while (performance.now() - begun < 30);
                    if (globalThis.end_job) setTimeout(piece, 0);
                };
                piece();
            }
            if (job.data === 'nested') {
                const url = URL.createObjectURL(new Blob(['for (;;);']));
                globalThis.nested_worker = new Worker(url);
            }
        });";
    count_nested();
    for (data, rests) in [("idle", true), ("nested", false), ("pieces", false)] {
        let hub = Hub::of(handler).await;
        hub.hand_out(&[data]);
        hub.started(0).await;
        hub.send("intensity", &[("intensity", 0.into())]);
        if rests {
            hub.wait_for("rests").await;
        } else {
            sleep(2_500).await;
            let said = hub.seen().into_iter().filter(|m| text(m, "t") == "rests");
            assert_eq!(said.count(), 0, "{data}");
        }
        run("nested_worker?.terminate(); end_job(); globalThis.end_job = undefined");
    }
}

#[test]
async fn what_is_recalled_is_not_done_and_a_paused_core_begins_nothing() {
    let hub = Hub::of("return job.data").await;
    hub.send("intensity", &[("intensity", 0.into())]);
    hub.hand_out(&["a", "b"]);
    hub.send("recall", &[]);
    let recalled = hub.wait_for("recalled").await;
    let keys = Array::from(&get(&recalled, "keys"));
    assert_eq!(keys.join(",").as_string(), Some("0,1".to_owned()));
    hub.hand_out(&["c"]);
    hub.send("intensity", &[("intensity", 10.into())]);
    let results = hub.results(1).await;
    assert_eq!(text(&results[0], "data"), "c");
}

#[test]
async fn another_hub_hears_what_runs_and_gets_its_result() {
    let gate = gate();
    let hub = Hub::of("return gate.then(() => 'through')").await;
    hub.hand_out(&["held", "waits"]);
    hub.wait_for("report").await;
    let other = from_channel("channel").await;
    hub.core.meet(&get(&other, "theirs"));
    call(&other, "said", &["report".into()])
        .await
        .expect("said");
    let seen = Array::from(&get(&other, "seen"));
    // The other hub takes over what runs; what only waits comes again.
    let running = get(&seen.get(0), "running");
    assert_eq!(get(&running, "key").as_f64(), Some(0.0));
    assert_eq!(text(&running, "data"), "held");
    assert_eq!(text(&seen.get(1), "t"), "up");
    assert_eq!(get(&seen.get(2), "started").as_f64(), Some(0.0));
    start(&gate, "open", &[]).expect("opens");
    let results = call(&other, "done", &[1.into()]).await.expect("results");
    let results = Array::from(&results);
    assert_eq!(text(&results.get(0), "data"), "through");
    assert_eq!(results.length(), 1);
}

#[test]
async fn work_takes_a_handler_once_and_then_hears_the_page() {
    let wrong = run("return [
        undefined, null, 5, 'text', {}, { handler: 1 }, { handler() {}, setup: 1 },
        { get handler() { throw new Error('odd'); } },
        { setUp() {}, handler() {} }, { Handler() {} },
        new Proxy({}, { get() { throw null; } }),
    ]");
    for given in Array::from(&wrong).iter() {
        let outcome = work(&given).map(|()| given);
        assert_eq!(
            fault(outcome),
            named("InvalidArgumentError", "invalid_argument")
        );
    }
    let parts = run("return { base: 'from setup', setup() { return this.base; },
        handler(job, { setup }) { return setup + ' ' + this.base; } }");
    work(&parts).expect("a handler");
    let again = work(&parts).map(|()| JsValue::NULL);
    assert_eq!(
        fault(again),
        named("InvalidArgumentError", "invalid_argument")
    );
    let page = Function::new_with_args(
        "data",
        "dispatchEvent(new MessageEvent('message', { data }))",
    );
    let says = |data: JsValue| page.call1(&JsValue::UNDEFINED, &data).expect("dispatched");
    let hub = from_channel("channel").await;
    let port = get(&hub, "theirs");
    for foreign in [JsValue::NULL, "compute".into(), Object::new().into()] {
        says(foreign);
    }
    says(object(&[("t", "compute".into()), ("port", 5.into())]));
    says(object(&[
        ("dc", 1.into()),
        ("t", "compute".into()),
        ("port", port),
        ("core", 0.into()),
    ]));
    call(&hub, "said", &["up".into()]).await.expect("said");
    let jobs = Array::of1(&job(0, ""));
    let message = object(&[("t", "jobs".into()), ("jobs", jobs.into())]);
    start(&hub, "send", &[message]).expect("sends");
    let results = call(&hub, "done", &[1.into()]).await.expect("results");
    let result = Array::from(&results).get(0);
    assert_eq!(text(&result, "data"), "from setup from setup");
}

/// What `runJob` says of a job, as JSON, given its arguments as JavaScript.
async fn ran(parts: &str, job: &str) -> String {
    let value = |code: &str| run(&format!("return ({code})"));
    let ran = run_job(&value(parts), &value(job));
    let ran = settled(ran.into()).await.expect("it resolves");
    js_sys::JSON::stringify(&ran).expect("JSON").into()
}

#[test]
async fn a_job_can_be_run_without_a_hub() {
    let parts = "{
        prefix: '>',
        setup() { return this.prefix },
        async handler(job, { setup, stage, restored, ready, paused, progress, checkpoint }) {
            progress(1, 2, setup);
            await ready();
            checkpoint({ row: restored.row + 1 });
            progress(2, 2);
            return { job, stage, paused, left: undefined };
        },
    }";
    let job = "{ data: { seed: 7 }, stage: 'b', attempt: 3, restored: { row: 41 } }";
    let output =
        r#"{"job":{"id":1,"data":{"seed":7},"attempt":3,"stage":"b"},"stage":"b","paused":false}"#;
    let told = r#"[{"done":1,"total":2,"text":">"},{"done":2,"total":2}]"#;
    assert_eq!(
        ran(parts, job).await,
        format!(
            r#"{{"output":{output},"progress":{told},"checkpoints":[{{"row":42}}],"files":{{}},"failure":null}}"#
        )
    );
    let text = ran("({ data }) => data + '!'", "{ data: 'a text' }").await;
    assert!(text.starts_with(r#"{"output":"a text!","#), "{text}");
}

#[test]
async fn a_job_that_is_run_without_a_hub_says_why_it_failed() {
    let job = "{ data: [1] }";
    for (parts, kind, message) in [
        (
            "() => { throw new RangeError('too far') }",
            "failed",
            "RangeError: too far",
        ),
        (
            "async () => { throw 'just a text' }",
            "failed",
            "just a text",
        ),
        ("() => new Map()", "failed", "Map"),
        ("() => ({ score: NaN })", "failed", "result.score is NaN"),
        (
            "(_, { invalid }) => invalid('no such shard')",
            "invalid",
            "no such shard",
        ),
        (
            "(_, { invalid }) => { try { invalid('bad') } catch {} return 'x' }",
            "invalid",
            "bad",
        ),
        (
            "(_, { progress }) => progress('1', 2)",
            "failed",
            "progress takes two numbers",
        ),
        (
            "(_, { checkpoint }) => checkpoint(() => 1)",
            "failed",
            "cannot be cloned",
        ),
        (
            "{ setup() { throw new Error('no model') }, handler: () => 'x' }",
            "setup",
            "no model",
        ),
    ] {
        let told = ran(parts, job).await;
        let expected = format!(r#""failure":{{"kind":"{kind}","message":""#);
        assert!(
            told.contains(&expected) && told.contains(message),
            "{parts}: {told}"
        );
        assert!(!told.contains("output"), "{told}");
    }
    for (parts, job) in [
        ("5", "{ data: 'x' }"),
        ("{ handle: () => 'x' }", "{ data: 'x' }"),
        ("() => 'x'", "undefined"),
        ("() => 'x'", "{}"),
        ("() => 'x'", "{ data: 5 }"),
        ("() => 'x'", "{ data: [NaN] }"),
        ("() => 'x'", "{ data: 'x', stage: 'f' }"),
        ("() => 'x'", "{ data: 'x', attempt: 0 }"),
        ("() => 'x'", "{ data: 'x', restore: 5 }"),
        ("() => 'x'", "{ data: 'x', restored: () => 1 }"),
    ] {
        let value = |code: &str| run(&format!("return ({code})"));
        let refused = settled(run_job(&value(parts), &value(job)).into()).await;
        let error = refused.expect_err(&format!("{parts} {job}"));
        assert_eq!(text(&error, "code"), "invalid_argument", "{parts} {job}");
    }
}

#[test]
async fn the_former_name_of_what_a_checkpoint_kept_works_and_warns_once() {
    let warned = run("const said = []; globalThis.realWarn = console.warn; \
                      console.warn = (text) => said.push(text); return said");
    let handler = "(_, context) => [context.resume.row, context.resume.row]";
    let job = "{ data: 'x', restored: { row: 5 } }";
    assert!(ran(handler, job).await.contains(r#""output":[5,5]"#));
    assert!(ran(handler, job).await.contains(r#""output":[5,5]"#));
    run("console.warn = globalThis.realWarn");
    let warned = Array::from(&warned);
    assert_eq!(warned.length(), 1);
    assert!(
        warned
            .get(0)
            .as_string()
            .is_some_and(|text| text.contains("restored"))
    );
}
