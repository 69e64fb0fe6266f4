//! What the browser tests share: the addresses of the servers that the test script started, and
//! calling the package as JavaScript does.

use distcompute_client::web::client;
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

pub(crate) type Outcome = Result<JsValue, JsValue>;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn fetch(url: &str) -> Promise;
    #[wasm_bindgen(js_namespace = location, js_name = origin, thread_local_v2)]
    static ORIGIN: String;
    #[wasm_bindgen(js_namespace = crypto, js_name = randomUUID)]
    fn random_uuid() -> String;
}

pub(crate) fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// Gets a JSON document.
pub(crate) async fn get_json(url: &str) -> JsValue {
    let response = JsFuture::from(fetch(url)).await.expect("fetch");
    let found = get(&response, "ok").is_truthy();
    assert!(
        found,
        "there is no {url}: `npm test -- wasm` starts the servers that these tests need"
    );
    let text = call(&response, "text", &[]).await.expect("text");
    let text = text.as_string().expect("a text");
    js_sys::JSON::parse(&text).unwrap_or_else(|_| panic!("{url} is not JSON: {text}"))
}

/// The address of one of the servers that `scripts/servers.mjs` starts.
pub(crate) async fn server(name: &str) -> String {
    let servers = get_json(&format!(
        "{}/target/test-servers.json",
        ORIGIN.with(Clone::clone)
    ))
    .await;
    text(&servers, name)
}

/// A tracker that misbehaves as `path` says, with a state and a log of its own.
pub(crate) struct Faulty {
    server: String,
    base: String,
}

impl Faulty {
    pub(crate) async fn at(path: &str) -> Self {
        Self {
            server: server("faulty").await,
            base: format!("/{path}/s/{}", random_uuid()),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.server, self.base)
    }

    /// The tracker that stands where this one is, with another part in its path.
    pub(crate) fn elsewhere(&self, part: &str, other: &str) -> Self {
        Self {
            server: self.server.clone(),
            base: self.base.replace(part, other),
        }
    }

    /// The bodies of the requests that it has seen of one call.
    pub(crate) async fn seen(&self, call: &str) -> Vec<JsValue> {
        let log = get_json(&format!("{}/log?base={}", self.server, self.base)).await;
        Array::from(&log)
            .iter()
            .filter(|entry| text(entry, "path") == format!("/api/{call}"))
            .map(|entry| {
                let body = text(&entry, "body");
                js_sys::JSON::parse(&body).unwrap_or(JsValue::NULL)
            })
            .collect()
    }
}

/// An object literal.
pub(crate) fn object(entries: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in entries {
        Reflect::set(&object, &(*name).into(), value).expect("set");
    }
    object.into()
}

pub(crate) fn get(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).expect("a readable property")
}

pub(crate) fn text(value: &JsValue, name: &str) -> String {
    let property = get(value, name);
    property
        .as_string()
        .unwrap_or_else(|| panic!("{name} is {property:?}"))
}

/// Calls a method as JavaScript does, and awaits what it returns.
pub(crate) async fn call(value: &JsValue, name: &str, args: &[JsValue]) -> Outcome {
    settled(start(value, name, args)?).await
}

/// Calls a method as JavaScript does.
pub(crate) fn start(value: &JsValue, name: &str, args: &[JsValue]) -> Outcome {
    let method: Function = get(value, name).dyn_into().expect("a method");
    method.apply(value, &args.iter().collect::<Array>())
}

/// Loads a script of the tests, of which a module of Rust would be a further import: the server of these tests
/// hangs now and then where a browser requests more than four files at once, and the package has four scripts.
pub(crate) async fn load(path: &str) -> JsValue {
    // In a worker, too, it is looked for at the server.
    let code = format!("return import(new URL('{path}', location.href).href)");
    let module = js_sys::Function::new_no_args(&code).call0(&JsValue::UNDEFINED);
    let module = settled(module.expect("a promise")).await;
    module.unwrap_or_else(|e| panic!("{path}: {e:?}"))
}

pub(crate) async fn settled(value: JsValue) -> Outcome {
    match value.dyn_into::<Promise>() {
        Ok(promise) => JsFuture::from(promise).await,
        Err(value) => Ok(value),
    }
}

pub(crate) async fn init(options: &[(&str, JsValue)]) -> Outcome {
    JsFuture::from(client::init(&object(options), &JsValue::UNDEFINED)).await
}

/// A worker at stage `a` that writes nothing to the console.
pub(crate) async fn join(url: &str) -> JsValue {
    let options = [
        ("url", url.into()),
        ("stage", "a".into()),
        ("verbose", false.into()),
    ];
    init(&options).await.expect("joins")
}

/// The name and the code of the error that a call was rejected with; it must be a real one.
pub(crate) fn fault(outcome: Outcome) -> (String, String) {
    let error = outcome.expect_err("an error");
    assert!(error.is_instance_of::<js_sys::Error>(), "{error:?}");
    assert!(!text(&error, "message").is_empty());
    assert!(!text(&error, "stack").is_empty());
    (text(&error, "name"), text(&error, "code"))
}

pub(crate) fn named(name: &str, code: &str) -> (String, String) {
    (name.to_owned(), code.to_owned())
}
