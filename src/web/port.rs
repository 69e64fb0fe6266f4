//! The channel between the hub and a compute worker.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(module = "/src/web/worker.js")]
extern "C" {
    fn receive(port: &Port, hear: &JsValue);
}

#[wasm_bindgen]
extern "C" {
    /// One end of the channel.
    #[wasm_bindgen(js_name = MessagePort)]
    pub(crate) type Port;

    /// Sends a message.
    #[wasm_bindgen(method, structural, catch, js_name = postMessage)]
    pub(crate) fn post(this: &Port, message: &JsValue) -> Result<(), JsValue>;

    /// Closes both ends.
    #[wasm_bindgen(method, structural)]
    pub(crate) fn close(this: &Port);
}

impl Port {
    /// Has `hear` called with each message that comes.
    pub(crate) fn receive(&self, hear: &JsValue) {
        receive(self, hear);
    }
}
