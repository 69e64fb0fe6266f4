//! The published package in a real page, which gets anything at all: from whoever calls it, from what
//! answers at the tracker's address, from other tabs, from workers and from storage. What that is, and
//! what must hold, stands in `tests/fuzz`; what fails names a seed that does it again.

#![cfg(target_family = "wasm")]

use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

// Its files are fetched as they stand: the package's are too, and are what is tested.
#[wasm_bindgen(inline_js = "
    export async function fuzz(target) {
        try {
            const { fuzzFor, mended } = await import('/tests/fuzz/run.js');
            return await (target ? fuzzFor(target) : mended());
        } catch (error) {
            return `${error}\\n${error.stack}`;
        }
    }
")]
extern "C" {
    /// A number of cases, of which those that were found before are the ones without a target; or what
    /// is wrong with the last one.
    async fn fuzz(target: &str) -> JsValue;
}

async fn bears_anything(target: &str) {
    let came = fuzz(target).await;
    if let Some(wrong) = came.as_string() {
        panic!("{wrong}");
    }
    let cases = came.as_f64().unwrap_or_default();
    assert!(cases > 4.0, "only {cases} cases");
}

#[test]
async fn what_was_found_before_does_not_come_back() {
    bears_anything("").await;
}

#[test]
async fn every_function_and_member_takes_any_value() {
    bears_anything("calls").await;
}

#[test]
async fn a_client_takes_any_answer() {
    bears_anything("answers").await;
}

#[test]
async fn a_volunteer_takes_any_word_of_workers_tabs_and_people() {
    bears_anything("volunteer").await;
}

#[test]
async fn a_hub_takes_any_word_of_storage_page_cores_and_tracker() {
    bears_anything("hub").await;
}

#[test]
async fn a_compute_worker_takes_any_word_of_its_hub_and_any_deed_of_its_handler() {
    bears_anything("compute").await;
}
