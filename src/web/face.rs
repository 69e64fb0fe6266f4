//! The bridge to `face.js`: what it is given, and what the package hands on from it.

use super::compute;
use super::hub::Hub;
use super::object::object;
use super::work;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/face.js")]
extern "C" {
    fn install(drivers: &JsValue);

    #[wasm_bindgen(js_name = makeError)]
    pub(crate) fn make_error(
        name: &str,
        code: &str,
        message: &str,
        status: Option<u16>,
        cause: &JsValue,
        address: Option<String>,
    ) -> JsValue;

    /// Has the members of an exported class say what is wrong where its object was freed. All methods
    /// return promises but `plain`.
    pub(crate) fn guard(object: &JsValue, name: &str, plain: &str);

    /// Has the methods of an exported class work without `this`.
    #[wasm_bindgen(js_name = bindMethods)]
    pub(crate) fn bind_methods(object: &JsValue);

    pub(crate) fn now() -> f64;

    #[wasm_bindgen(js_name = tellPage)]
    pub(crate) fn tell_page(t: &str, fields: &JsValue);
}

/// Members of the package that stand in `face.js`. Only their names cross here: wasm-bindgen types
/// a re-exported class as `unknown`, but hands on a function that it need not type as it is. Their
/// types stand in `error.rs` and `work.rs`.
#[wasm_bindgen(module = "/src/web/face.js")]
#[allow(
    dead_code,
    non_snake_case,
    reason = "handed on to JavaScript, never called from Rust"
)]
extern "C" {
    #[wasm_bindgen(reexport, skip_typescript)]
    fn DistcomputeError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn ZeroJobError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn WorkerTimedOutError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn NoOpenJobError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn ServerError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn InvalidURLError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn DumpError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn InvalidArgumentError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn UnreachableError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn TimeoutError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn AbortError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn NotLoadedError();
}

/// `work`, which stands in `worker.js`.
#[wasm_bindgen(module = "/src/web/worker.js")]
#[allow(dead_code, reason = "handed on to JavaScript, never called from Rust")]
extern "C" {
    #[wasm_bindgen(reexport, skip_typescript)]
    fn work();
}

/// Runs when the wasm is loaded: from now on `Volunteer` works.
#[wasm_bindgen(start, private)]
fn loaded() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&panic.to_string().into());
    }));
    hand_over();
}

/// Gives `face.js` the functions by which `work.js` reaches the drivers of a worker. They are closures and not
/// exports, because every export is a member of the package.
pub(crate) fn hand_over() {
    let misspelt: Box<dyn Fn(JsValue) -> JsValue> = Box::new(|parts| work::misspelt(&parts));
    let begin_hub: Box<dyn Fn(JsValue) -> JsValue> = Box::new(|setup| Hub::begin(&setup));
    let begin_core: Box<dyn Fn(JsValue, JsValue) -> JsValue> =
        Box::new(|parts, port| compute::start(&parts, &port).into_js());
    let drivers = object()
        .with("misspelt", &Closure::wrap(misspelt).into_js_value())
        .with("beginHub", &Closure::wrap(begin_hub).into_js_value())
        .with("beginCore", &Closure::wrap(begin_core).into_js_value());
    install(&drivers.done());
}
