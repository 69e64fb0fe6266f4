//! SIMD for the browser: the arithmetic of `escape.rs`, operation by operation, for two points at
//! once.

use crate::escape::{ESCAPED, INSIDE, time};
use core::arch::wasm32::{
    f64x2, f64x2_add, f64x2_extract_lane, f64x2_le, f64x2_mul, f64x2_splat, f64x2_sub, i64x2_splat,
    i64x2_sub, u64x2_extract_lane, v128_and, v128_any_true, v128_bitselect,
};

/// Like `escape_time`, for the two points `re[0] + im·i` and `re[1] + im·i`.
#[target_feature(enable = "simd128")]
pub(crate) fn escape_times(re: [f64; 2], im: f64, iterations: u32) -> [u16; 2] {
    let (re, im) = (f64x2(re[0], re[1]), f64x2_splat(im));
    let escaped = f64x2_splat(ESCAPED);
    let (mut x, mut y, mut size) = (f64x2_splat(0.0), f64x2_splat(0.0), f64x2_splat(0.0));
    // A mask: all ones in a lane whose point has not escaped. As an integer, that is -1.
    let mut live = i64x2_splat(-1);
    let mut count = i64x2_splat(0);
    for _ in 0..iterations {
        let (x2, y2) = (f64x2_mul(x, x), f64x2_mul(y, y));
        // A lane that has escaped continues towards infinity, but its `size` stays that of the
        // escape.
        size = v128_bitselect(f64x2_add(x2, y2), size, live);
        live = v128_and(live, f64x2_le(size, escaped));
        if !v128_any_true(live) {
            break;
        }
        count = i64x2_sub(count, live);
        y = f64x2_add(f64x2_mul(f64x2_add(x, x), y), im);
        x = f64x2_add(f64x2_sub(x2, y2), re);
    }
    let result = |live: u64, count: u64, size: f64| match live {
        0 => time(count as u32, size),
        _ => INSIDE,
    };
    [
        result(
            u64x2_extract_lane::<0>(live),
            u64x2_extract_lane::<0>(count),
            f64x2_extract_lane::<0>(size),
        ),
        result(
            u64x2_extract_lane::<1>(live),
            u64x2_extract_lane::<1>(count),
            f64x2_extract_lane::<1>(size),
        ),
    ]
}
