//! The bridge to `face.js`: what it is given, and what the package hands on from it.

use super::compute;
use super::hub::Hub;
use super::{error, json, work};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/face.js")]
extern "C" {
    fn install(door: &JsValue);

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

/// What a door answers, or throws.
pub(crate) type Answer = Result<JsValue, JsValue>;

/// A function by which JavaScript reaches something that lives here: it is told a word and up to two
/// values. All of the boundary is this one kind of function, because each exported method and each
/// other kind of closure costs glue on both sides. It is freed when JavaScript has forgotten it.
pub(crate) fn door(answer: Box<dyn Fn(String, JsValue, JsValue) -> Answer>) -> JsValue {
    Closure::wrap(answer).into_js_value()
}

/// Gives `face.js` the door that stands behind its functions.
pub(crate) fn hand_over() {
    install(&main_door());
}

/// The door to the parts of a worker, and to what the owner's values are on the wire.
pub(crate) fn main_door() -> JsValue {
    door(Box::new(|word, a, b| match word.as_str() {
        "misspelt" => Ok(work::misspelt(&a)),
        "hub" => Ok(Hub::begin(&a)),
        "compute" => Ok(compute::start(&a, &b).into_js()),
        // An output as the wire has it.
        "output" => json::output(&a)
            .map(JsValue::from)
            .map_err(|fault| error::to_js(&fault)),
        // The same for whoever is to find the fault.
        "account" => Ok(json::account(&a).into()),
        // What a thrown value says of itself.
        _ => Ok(json::says(&a).into()),
    }))
}
