//! The bridge to `face.js`: what it is given, and what the package hands on from it.

use super::object::object;
use super::{client, volunteer, work};
use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/shell.js")]
extern "C" {
    fn install(functions: &JsValue);

    #[wasm_bindgen(js_name = makeError)]
    pub(crate) fn make_error(
        name: &str,
        code: &str,
        message: &str,
        status: Option<u16>,
        cause: &JsValue,
    ) -> JsValue;

    pub(crate) fn say(line: &str);

    pub(crate) fn now() -> f64;

    #[wasm_bindgen(js_name = tellPage)]
    pub(crate) fn tell_page(t: &str, fields: &JsValue);

    #[wasm_bindgen(catch)]
    pub(crate) async fn send(request: &web_sys::Request, longest: u32) -> Result<JsValue, JsValue>;
}

/// Members of the package that stand in `face.js`. Only their names cross here: wasm-bindgen types
/// a re-exported class as `unknown`, but hands on a function that it need not type as it is. Their
/// types stand in `client.rs`, `error.rs` and `work.rs`.
#[wasm_bindgen(module = "/src/web/shell.js")]
#[allow(
    dead_code,
    non_snake_case,
    reason = "handed on to JavaScript, never called from Rust"
)]
extern "C" {
    #[wasm_bindgen(reexport, skip_typescript)]
    fn init();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn load();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn work();
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

/// Runs when the wasm is loaded: from now on `init`, `load`, `work` and `Volunteer` work.
#[wasm_bindgen(start, private)]
fn loaded() {
    std::panic::set_hook(Box::new(|panic| {
        web_sys::console::error_1(&panic.to_string().into());
    }));
    hand_over();
}

/// Gives `face.js` what stands behind its functions.
pub(crate) fn hand_over() {
    type Init = dyn Fn(JsValue, JsValue) -> Promise;
    type Load = dyn Fn(JsValue) -> Result<JsValue, JsValue>;
    type Open = dyn Fn(JsValue, volunteer::Page) -> Result<JsValue, JsValue>;
    let init: Box<Init> = Box::new(|options, call| client::init(&options, &call));
    let load: Box<Load> = Box::new(|dump| client::load(&dump));
    type Work = dyn Fn(JsValue) -> Result<(), JsValue>;
    let open: Box<Open> = Box::new(|options, page| volunteer::open(&options, page));
    let work: Box<Work> = Box::new(|parts| work::work(&parts));
    install(&object(&[
        ("init", Closure::wrap(init).into_js_value()),
        ("load", Closure::wrap(load).into_js_value()),
        ("open", Closure::wrap(open).into_js_value()),
        ("work", Closure::wrap(work).into_js_value()),
    ]));
}
