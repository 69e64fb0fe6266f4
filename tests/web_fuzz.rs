//! The published package in a real page, which gets anything at all: from whoever calls it, from what
//! answers at the tracker's address, from other tabs, from workers and from storage. What that is, and
//! what must hold, stands in `tests/fuzz`; what fails names a seed that does it again.

#![cfg(target_family = "wasm")]

#[path = "web/support.rs"]
#[allow(dead_code, reason = "what the other browser tests need besides")]
mod support;

use support::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

async fn bears_anything(target: &str) {
    // Its files are fetched as they stand: the package's are too, and are what is tested.
    let module = load("/tests/fuzz/run.js").await;
    let came = call(&module, "run", &[target.into()]).await;
    let came = came.expect("it does not reject");
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
