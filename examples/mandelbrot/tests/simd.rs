//! Points are computed side by side with vector instructions; in WebAssembly, too, the result must be the same
//! as for each point alone. (The end-to-end test compares with a native build.)
#![cfg(target_family = "wasm")]

use mandelbrot::{INSIDE, Tile, escape_time};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
fn points_side_by_side_are_each_alone_to_the_last_bit() {
    let tile = Tile {
        tile: 0,
        left: -0.76,
        top: 0.12,
        step: 0.0004,
        width: 61,
        height: 60,
        iterations: 2000,
    };
    let mut inside = 0;
    for row in 0..tile.height {
        let im = tile.top - f64::from(row) * tile.step;
        for (column, time) in tile.row(row).into_iter().enumerate() {
            let alone = escape_time(tile.left + column as f64 * tile.step, im, tile.iterations);
            assert_eq!(time, alone, "row {row}, column {column}");
            inside += usize::from(time == INSIDE);
        }
    }
    // The tile must contain points of both kinds, or the comparison shows little.
    assert!(inside > 100 && inside < tile.samples() - 100, "{inside}");
}
