//! Files of jobs in a real browser: fetching, keeping and sending them, and what handlers read and put.

#![cfg(target_family = "wasm")]

#[path = "web/support.rs"]
#[allow(dead_code, reason = "what the other browser tests need besides")]
mod support;

use distcompute_client::web::compute;
use distcompute_client::web::work::run_job;
use js_sys::{Array, Function, Promise};
use support::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen(module = "/src/web/storage.js")]
extern "C" {
    #[wasm_bindgen(js_name = measureFiles)]
    fn measure() -> Promise;
    #[wasm_bindgen(js_name = fetchFile)]
    fn fetch_file(
        name: &str,
        bytes: f64,
        url: &str,
        memory: bool,
        stall_ms: u32,
        moved: &JsValue,
    ) -> Promise;
    #[wasm_bindgen(js_name = filesAtHand)]
    fn at_hand(names: &Array) -> JsValue;
    #[wasm_bindgen(js_name = holdFile)]
    fn hold(name: &str, bytes: f64, blob: &JsValue) -> bool;
    #[wasm_bindgen(js_name = keepFile)]
    fn keep(name: &str, bytes: f64) -> Promise;
    #[wasm_bindgen(js_name = openFile)]
    fn open(name: &str, bytes: f64) -> Promise;
    #[wasm_bindgen(js_name = closeFile)]
    fn close(name: &str);
    #[wasm_bindgen(js_name = dropFile)]
    fn drop_file(name: &str, bytes: f64) -> Promise;
    #[wasm_bindgen(js_name = leaveFile)]
    fn leave(name: &str);
    #[wasm_bindgen(js_name = sendPart)]
    fn send_part(id: u32, url: &str, name: &str, from: f64, to: f64, limit_ms: u32) -> Promise;
}

#[wasm_bindgen(module = "/src/web/output.js")]
extern "C" {
    #[wasm_bindgen(js_name = filesIn)]
    fn files_in(mark: &str, text: &str, base: &str) -> Array;
}

/// The file that the faulty server has.
const FILE: &str = "sha256-08f166476de183f7a1b2874d544d37912aaf8d19b92013e1aafe233ba231024a";
const BYTES: f64 = 300_000.0;

async fn done(promise: Promise) -> JsValue {
    settled(promise.into()).await.expect("it does not reject")
}

/// Has the functions of the wasm installed that the scripts call.
async fn install() {
    let _ = settled(run_job(&JsValue::UNDEFINED, &JsValue::UNDEFINED).into()).await;
}

fn run(script: &str) -> JsValue {
    Function::new_no_args(script)
        .call0(&JsValue::UNDEFINED)
        .expect("it runs")
}

/// Whether this browser keeps files in storage.
async fn is_durable() -> bool {
    get(&done(measure()).await, "durable").is_truthy()
}

/// How an attempt ends: a word or a status.
async fn attempt(url: &str, memory: bool, stall_ms: u32) -> String {
    let nobody = Function::new_no_args("").into();
    let end = done(fetch_file(FILE, BYTES, url, memory, stall_ms, &nobody)).await;
    end.as_string().unwrap_or_else(|| {
        let status = get(&end, "status").as_f64();
        status.map_or_else(|| format!("{end:?}"), |status| status.to_string())
    })
}

async fn size_at_hand() -> Option<f64> {
    let blob = get(&at_hand(&Array::of1(&FILE.into())), FILE);
    (!blob.is_undefined()).then(|| get(&blob, "size").as_f64())?
}

async fn forget() {
    leave(FILE);
    done(drop_file(FILE, BYTES)).await;
}

#[test]
async fn a_file_comes_whole_goes_on_after_a_break_and_is_there_later() {
    install().await;
    let durable = is_durable().await;
    for memory in [true, false] {
        if !memory && !durable {
            continue;
        }
        let whole = if memory { "held" } else { "kept" };
        let server = Faulty::at("file/whole").await;
        assert_eq!(attempt(&server.url(), memory, 5_000).await, whole);
        assert_eq!(size_at_hand().await, Some(BYTES));
        close(FILE);
        assert_eq!(size_at_hand().await, None);
        let there = done(open(FILE, BYTES)).await;
        assert_eq!(there.is_truthy(), !memory);
        forget().await;
        assert!(!done(open(FILE, BYTES)).await.is_truthy());
        for how in ["file/cut", "file/plain"] {
            let server = Faulty::at(how).await;
            assert_eq!(
                attempt(&server.url(), memory, 5_000).await,
                "broken",
                "{how}"
            );
            assert_eq!(attempt(&server.url(), memory, 5_000).await, whole, "{how}");
            assert_eq!(size_at_hand().await, Some(BYTES));
            forget().await;
        }
    }
}

#[test]
async fn what_is_not_the_file_is_not_kept() {
    install().await;
    let memory = !is_durable().await;
    for how in ["file/other", "file/longer"] {
        let server = Faulty::at(how).await;
        let end = attempt(&server.url(), memory, 5_000).await;
        // Of a file that is longer than it says the beginning may be right, and is what was asked for.
        let wanted = if how == "file/other" {
            "damaged"
        } else if memory {
            "held"
        } else {
            "kept"
        };
        assert_eq!(end, wanted, "{how}");
        forget().await;
    }
    let server = Faulty::at("file/short").await;
    assert_eq!(attempt(&server.url(), memory, 5_000).await, "broken");
    assert_eq!(attempt(&server.url(), memory, 5_000).await, "damaged");
    let server = Faulty::at("file/stalls").await;
    assert_eq!(attempt(&server.url(), memory, 1_000).await, "broken");
    forget().await;
    let server = Faulty::at("status/404").await;
    assert_eq!(
        attempt(&format!("{}/x", server.url()), memory, 5_000).await,
        "404"
    );
    assert_eq!(
        attempt("http://127.0.0.1:9/x", memory, 5_000).await,
        "broken"
    );
    forget().await;
    assert!(!done(open(FILE, BYTES)).await.is_truthy());
}

#[test]
async fn a_part_is_sent_and_its_answer_read() {
    install().await;
    let server = Faulty::at("file/whole").await;
    let blob = run("return new Blob([new Uint8Array(300_000)])");
    assert!(!hold(FILE, 7.0, &blob) && !hold(FILE, BYTES, &"x".into()));
    assert!(hold(FILE, BYTES, &blob));
    let kept = done(keep(FILE, BYTES)).await.is_truthy();
    assert_eq!(kept, is_durable().await);
    // What was put may be in memory: what is kept takes its place.
    let at_hand = get(&at_hand(&Array::of1(&FILE.into())), FILE);
    assert_eq!(js_sys::Object::is(&at_hand, &blob), !kept);
    assert_eq!(size_at_hand().await, Some(BYTES));
    let answer = done(send_part(
        1,
        &server.url(),
        FILE,
        1_000_000.0,
        3_000_000.0,
        9_000,
    ))
    .await;
    assert_eq!(get(&answer, "status").as_f64(), Some(200.0));
    let gone = Faulty::at("file/gone").await;
    let answer = done(send_part(2, &gone.url(), FILE, 0.0, 10.0, 9_000)).await;
    assert_eq!(get(&answer, "status").as_f64(), Some(410.0));
    assert_eq!(text(&answer, "code"), "upload_expired");
    let away = settled(send_part(3, "http://127.0.0.1:9/", FILE, 0.0, 10.0, 9_000).into()).await;
    assert!(away.is_err());
    forget().await;
}

/// A compute worker whose hub is the test.
struct Hub {
    js: JsValue,
    core: compute::Core,
}

impl Hub {
    async fn of(handler: &str) -> Self {
        let js = Self::channel().await;
        let handler = Function::new_with_args("job, context", handler);
        let parts = object(&[("handler", handler.into())]);
        let core = compute::start(&parts, &get(&js, "theirs"));
        let hub = Self { js, core };
        hub.said("up").await;
        hub
    }

    async fn channel() -> JsValue {
        let module = load("/tests/web/channel.js").await;
        start(&module, "channel", &[]).expect("it returns")
    }

    async fn said(&self, t: &str) -> Vec<JsValue> {
        call(&self.js, "said", &[t.into()]).await.expect("said");
        let seen = Array::from(&get(&self.js, "seen")).to_vec();
        seen.into_iter().filter(|of| text(of, "t") == t).collect()
    }

    fn send(&self, message: &[(&str, JsValue)]) {
        start(&self.js, "send", &[object(message)]).expect("sends");
    }

    fn hand_out(&self, data: &str, files: JsValue) {
        let job = object(&[
            ("key", 1.into()),
            ("number", 7.into()),
            ("attempt", 1.into()),
            ("stage", "b".into()),
            ("stageName", "B".into()),
            ("data", data.into()),
            ("files", files),
        ]);
        self.send(&[
            ("t", "jobs".into()),
            ("jobs", Array::of1(&job).into()),
            ("project", "Files".into()),
        ]);
    }

    async fn result(&self) -> JsValue {
        let results = call(&self.js, "done", &[1.into()]).await;
        Array::from(&results.expect("a result")).get(0)
    }
}

const HELLO: &str = "sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
async fn a_handler_reads_the_files_of_its_job_and_puts_others() {
    let hub = Hub::of(
        "return (async () => {
            const { put } = context;
            const blob = await job.file(job.data.f);
            structuredClone(job);
            const ref = await put(blob);
            return { text: await blob.text(), type: blob.type, ref, f: job.data.f };
        })()",
    )
    .await;
    let files = object(&[(HELLO, run("return new Blob(['hello'])"))]);
    let f = format!("{{\"$file\":\"{HELLO}\",\"bytes\":5,\"type\":\"text/plain\"");
    let address = format!("api/files/{HELLO}?until=1&signature=x");
    hub.hand_out(
        &format!("<!json!>{{\"f\":{f},\"url\":\"{address}\"}}}}"),
        files,
    );
    let put = hub.said("put").await.remove(0);
    assert_eq!(
        (text(&put, "name"), text(&put, "type")),
        (HELLO.to_owned(), "text/plain".to_owned())
    );
    assert_eq!(get(&put, "bytes").as_f64(), Some(5.0));
    // The hub dies before it has answered: the next one is asked.
    let other = Hub::channel().await;
    hub.core.meet(&get(&other, "theirs"));
    call(&other, "said", &["put".into()])
        .await
        .expect("asked again");
    let kept = object(&[("t", "kept".into()), ("put", get(&put, "put"))]);
    start(&other, "send", &[kept]).expect("sends");
    let results = call(&other, "done", &[1.into()]).await.expect("a result");
    let result = Array::from(&results).get(0);
    // Without the address, which expires.
    let wanted =
        format!("<!json!>{{\"text\":\"hello\",\"type\":\"text/plain\",\"ref\":{f}}},\"f\":{f}}}}}");
    assert_eq!(text(&result, "data"), wanted);
}

/// The tracker takes these names for what they mean: see `rules/references.rs` there.
#[test]
async fn names_of_members_may_be_escaped() {
    let url = "api/files/x?until=1&signature=x";
    for json in [
        format!("{{\"\\u0024file\":\"{HELLO}\",\"bytes\":5,\"url\":\"{url}\"}}"),
        format!("[{{\"$fil\\u0065\":\"{HELLO}\",\"byte\\u0073\":5,\"url\":\"{url}\"}}]"),
        format!(
            "{{\"\\u0024\\u0066\\u0069\\u006C\\u0065\":\"{HELLO}\",\"bytes\":5,\"ur\\u006c\":\"{url}\"}}"
        ),
    ] {
        let found = files_in("<!json!>", &format!("<!json!>{json}"), "http://x.test/");
        assert_eq!(found.length(), 1, "{json}");
        let address = Array::from(&found.get(0)).get(2);
        assert_eq!(address.as_string(), Some(format!("http://x.test/{url}")));
    }
    for json in [
        format!("{{\"\\u0024files\":\"{HELLO}\",\"bytes\":5}}"),
        format!("{{\"\\\\u0024file\":\"{HELLO}\",\"bytes\":5}}"),
        format!("[\"\\u0024file\",\"{HELLO}\"]"),
    ] {
        let found = files_in("<!json!>", &format!("<!json!>{json}"), "http://x.test/");
        assert_eq!(found.length(), 0, "{json}");
    }
    let hub = Hub::of(
        "return job.file(job.data).then((blob) => blob.text()).then((text) => [text, job.data])",
    )
    .await;
    let files = object(&[(HELLO, run("return new Blob(['hello'])"))]);
    let url = format!("api/files/{HELLO}?until=1&signature=x");
    hub.hand_out(
        &format!("<!json!>{{\"\\u0024file\":\"{HELLO}\",\"bytes\":5,\"url\":\"{url}\"}}"),
        files,
    );
    let wanted = format!("<!json!>[\"hello\",{{\"$file\":\"{HELLO}\",\"bytes\":5}}]");
    assert_eq!(text(&hub.result().await, "data"), wanted);
}

/// How many drafts there are in the cache.
async fn drafts() -> f64 {
    let keys = "return caches.open('distcompute-files').then((cache) => cache.keys())
        .then((keys) => keys.filter(({ url }) => url.includes('/put-')).length)";
    done(run(keys).into()).await.as_f64().expect("a number")
}

/// A browser keeps blobs in memory that scripts make.
#[test]
async fn a_long_stream_is_in_storage_while_it_comes() {
    let handler = "return context.put(new ReadableStream({
            start() { this.piece = new Uint8Array(1_000_000); },
            pull(to) {
                this.at = (this.at ?? 0) + 1;
                to.enqueue(this.piece.fill(this.at));
                if (this.at === 20) to.close();
            },
        }, { highWaterMark: 0 }))";
    let hub = Hub::of(handler).await;
    hub.hand_out("text", JsValue::UNDEFINED);
    let put = hub.said("put").await.remove(0);
    let (name, blob) = (text(&put, "name"), get(&put, "blob"));
    let bytes = 20_000_000.0;
    assert_eq!(get(&blob, "size").as_f64(), Some(bytes));
    let durable = is_durable().await;
    if durable {
        assert_eq!(drafts().await, 1.0);
    }
    assert!(hold(&name, bytes, &blob));
    assert_eq!(done(keep(&name, bytes)).await.is_truthy(), durable);
    hub.send(&[("t", "kept".into()), ("put", get(&put, "put"))]);
    let output = text(&hub.result().await, "data");
    assert_eq!(
        output,
        format!("<!json!>{{\"$file\":\"{name}\",\"bytes\":20000000}}")
    );
    if durable {
        while drafts().await > 0.0 {
            gloo_timers::future::TimeoutFuture::new(5).await;
        }
    }
    // Its bytes are those that came.
    let at_hand = get(&at_hand(&Array::of1(&name.as_str().into())), &name);
    let sum = Function::new_with_args(
        "blob",
        "return blob.arrayBuffer().then((all) => new Uint8Array(all).reduce((sum, byte) => sum + byte, 0))",
    );
    let sum = sum.call1(&JsValue::UNDEFINED, &at_hand).expect("it runs");
    assert_eq!(done(sum.into()).await.as_f64(), Some(210.0 * 1_000_000.0));
    done(drop_file(&name, bytes)).await;

    // One that fails leaves nothing.
    let fails = "return context.put(new ReadableStream({
            pull(to) {
                this.at = (this.at ?? 0) + 1;
                if (this.at === 12) to.error(new Error('half way'));
                else to.enqueue(new Uint8Array(1_000_000));
            },
        })).catch((error) => [error.message])";
    let hub = Hub::of(fails).await;
    hub.hand_out("text", JsValue::UNDEFINED);
    assert!(text(&hub.result().await, "data").contains("half way"));
    if durable {
        while drafts().await > 0.0 {
            gloo_timers::future::TimeoutFuture::new(5).await;
        }
    }
}

#[test]
async fn whatever_a_handler_puts_it_hears_what_is_wrong() {
    let hub = Hub::of(
        "return (async () => {
            const { put } = context;
            const half = () => new ReadableStream({
                start(c) { c.enqueue(new Uint8Array(9)); },
                pull(c) { c.error(new Error('half way')); },
            });
            const texts = new ReadableStream({ start(c) { c.enqueue('text'); c.close(); } });
            const throws = new Proxy(new Blob(['x']), { get() { throw new Error('a getter'); } });
            const locked = half(); locked.getReader();
            const wrong = [undefined, null, 5, {}, [1], new Map(), Symbol('x'), '\\ud800', half(), texts, throws, locked];
            const codes = [];
            for (const value of wrong) codes.push(await put(value).catch((e) => e.code));
            for (const type of ['', 'a\\nb', 'x'.repeat(128), 5, {}]) codes.push(await put('x', { type }).catch((e) => e.code));
            const refs = [undefined, {}, { $file: 5 }, { $file: 'toString' }, { $file: '__proto__' }];
            for (const ref of refs) codes.push(await job.file(ref).catch((e) => e.code));
            return codes;
        })()",
    )
    .await;
    hub.hand_out("text", JsValue::UNDEFINED);
    let result = hub.result().await;
    let bad = "\"invalid_argument\"";
    let wanted = [[bad; 20].join(","), ["\"file_unknown\""; 2].join(",")].join(",");
    assert_eq!(text(&result, "data"), format!("<!json!>[{wanted}]"));
}

#[test]
async fn a_refusal_of_the_hub_rejects_with_its_code_and_all_kinds_of_bytes_have_one_name() {
    let hub = Hub::of(
        "return (async () => {
            const bytes = new TextEncoder().encode('xhellox').subarray(1, 6);
            const stream = new ReadableStream({ start(c) {
                const piece = bytes.slice(0, 2);
                c.enqueue(piece); c.enqueue(bytes.slice(2).buffer); c.close();
            } });
            const codes = [];
            for (const value of ['hello', bytes, bytes.slice().buffer, new Blob([bytes]), stream, new DataView(bytes.slice().buffer)])
                codes.push(await context.put(value).catch((e) => [e.name, e.code, e.message]));
            return codes;
        })()",
    )
    .await;
    hub.hand_out("text", JsValue::UNDEFINED);
    for at in 0..6_u32 {
        let put = loop {
            let puts = hub.said("put").await;
            if puts.len() > at as usize {
                break puts[at as usize].clone();
            }
            gloo_timers::future::TimeoutFuture::new(5).await;
        };
        assert_eq!(text(&put, "name"), HELLO, "{at}");
        let refused = if at == 0 {
            "file_no_room: No room.".into()
        } else {
            JsValue::NULL
        };
        hub.send(&[
            ("t", "kept".into()),
            ("put", get(&put, "put")),
            ("refused", refused),
        ]);
    }
    let data = text(&hub.result().await, "data");
    let reference = format!("{{\"$file\":\"{HELLO}\",\"bytes\":5}}");
    let rest = [reference.as_str(); 5].join(",");
    assert_eq!(
        data,
        format!("<!json!>[[\"FileError\",\"file_no_room\",\"No room.\"],{rest}]")
    );
}

#[test]
async fn an_output_with_what_is_no_reference_fails() {
    for (file, bytes) in [
        ("'sha256-00'", "1"),
        (&format!("'{HELLO}'")[..], "-1"),
        ("7", "1"),
        (&format!("'{HELLO}'")[..], "'5'"),
    ] {
        let hub = Hub::of(&format!(
            "return {{ a: [{{ $file: {file}, bytes: {bytes} }}] }}"
        ))
        .await;
        hub.hand_out("text", JsValue::UNDEFINED);
        let result = hub.result().await;
        let wanted =
            "the output cannot be handed in: result.a[0] has $file and is no reference to a file";
        assert!(text(&result, "message").starts_with(wanted), "{result:?}");
    }
}

#[test]
async fn a_run_reads_files_and_keeps_those_that_are_put() {
    let handler = Function::new_with_args(
        "job, { put }",
        "return job.file(job.data).then((blob) => blob.text()).then((text) => put(text + '!', { type: 'text/plain' }))",
    );
    let hello = run("return new Blob(['hello'])");
    let data = object(&[("$file", HELLO.into()), ("bytes", 5.into())]);
    let job = object(&[("data", data), ("files", object(&[(HELLO, hello)]))]);
    let ran = done(run_job(&handler, &job)).await;
    assert!(get(&ran, "failure").is_null(), "{ran:?}");
    let name = "sha256-ce06092fb948d9ffac7d1a376e404b26b7575bcc11ee05a4615fef4fec3a308b";
    assert_eq!(text(&get(&ran, "output"), "$file"), name);
    let blob = get(&get(&ran, "files"), name);
    let said = call(&blob, "text", &[]).await.expect("a text");
    assert_eq!(
        (said, text(&blob, "type")),
        ("hello!".into(), "text/plain".to_owned())
    );
}
