//! The functions of `bindings.js` that Rust calls, and the members of the package that stand there.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/bindings.js")]
extern "C" {
    #[wasm_bindgen(js_name = makeError)]
    pub(crate) fn make_error(
        name: &str,
        code: &str,
        message: &str,
        status: Option<u16>,
        cause: &JsValue,
        address: Option<String>,
    ) -> JsValue;

    /// Makes the members of an exported class report that its object was freed. All methods return promises,
    /// except for `plain`.
    pub(crate) fn guard(object: &JsValue, name: &str, plain: &str);

    /// Makes the methods of an exported class work without `this`.
    #[wasm_bindgen(js_name = bindMethods)]
    pub(crate) fn bind_methods(object: &JsValue);

    /// Freezes a value and all that is in it.
    #[wasm_bindgen(js_name = freezeAll)]
    pub(crate) fn freeze_all(value: &JsValue);

    pub(crate) fn now() -> f64;

    #[wasm_bindgen(js_name = tellPage)]
    pub(crate) fn tell_page(t: &str, fields: &JsValue);
}

/// Members of the package that stand in `bindings.js`, re-exported by their names. They are declared as
/// functions, because wasm-bindgen types a re-exported class as `unknown`. Their types are in `error.rs`,
/// `client.rs` and `volunteer.rs`.
#[wasm_bindgen(module = "/src/web/bindings.js")]
#[allow(
    dead_code,
    non_snake_case,
    reason = "re-exported, never called from Rust"
)]
extern "C" {
    #[wasm_bindgen(reexport, skip_typescript)]
    fn init();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn load();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn Volunteer();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn DistcomputeError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn ZeroJobError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn StartError();
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
    fn FileError();
    #[wasm_bindgen(reexport, skip_typescript)]
    fn NotLoadedError();
}
