//! Vector instructions for the browser. The compiler finds those of other processors in the plain loop itself, but
//! in WebAssembly it takes each vector apart and puts it together again in every iteration.

use crate::escape::POINTS;
use core::arch::wasm32::{
    f64x2, f64x2_add, f64x2_extract_lane, f64x2_mul, f64x2_splat, f64x2_sub, v128,
};

type Vectors = [v128; POINTS / 2];

/// See `escape::advance`.
#[target_feature(enable = "simd128")]
pub(crate) fn advance(
    x: &mut [f64; POINTS],
    y: &mut [f64; POINTS],
    re: &[f64; POINTS],
    im: f64,
    iterations: u32,
) {
    let (mut xs, mut ys, res) = (load(x), load(y), load(re));
    let im = f64x2_splat(im);
    for _ in 0..iterations {
        for ((x, y), re) in xs.iter_mut().zip(&mut ys).zip(res) {
            let (x2, y2) = (f64x2_mul(*x, *x), f64x2_mul(*y, *y));
            *y = f64x2_add(f64x2_mul(f64x2_add(*x, *x), *y), im);
            *x = f64x2_add(f64x2_sub(x2, y2), re);
        }
    }
    store(xs, x);
    store(ys, y);
}

#[target_feature(enable = "simd128")]
fn load(from: &[f64; POINTS]) -> Vectors {
    core::array::from_fn(|pair| f64x2(from[2 * pair], from[2 * pair + 1]))
}

#[target_feature(enable = "simd128")]
fn store(vectors: Vectors, to: &mut [f64; POINTS]) {
    for (pair, vector) in to.chunks_exact_mut(2).zip(vectors) {
        pair[0] = f64x2_extract_lane::<0>(vector);
        pair[1] = f64x2_extract_lane::<1>(vector);
    }
}
