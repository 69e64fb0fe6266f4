//! Escape times: the arithmetic for one point, and for a row of points.
//!
//! Only `+ - * /` on `f64` are used, in a fixed order and never fused, so that every machine
//! computes the same bits. That is also why there is a logarithm of our own: those of the systems
//! differ.

use std::ops::Range;

#[cfg(target_family = "wasm")]
use crate::simd::advance;

/// The escape time of a point that did not escape.
pub const INSIDE: u16 = u16::MAX;

/// The resolution of an escape time, in parts of an iteration, for colours without bands.
const PARTS: u32 = 4;

/// The maximum number of iterations, such that the result fits into 16 bits and differs from
/// [`INSIDE`].
pub const MAX_ITERATIONS: u32 = INSIDE as u32 / PARTS - 1;

/// A point has escaped when its squared distance exceeds this. 4 would do, but the fraction of an
/// iteration is derived from the distance at escape, which needs a large bound.
pub(crate) const ESCAPED: f64 = 65_536.0;

/// So many points are computed side by side. A point's next iteration needs the result of the last one, so a
/// single point leaves most of a processor idle; eight of them fill its vectors and pipelines.
pub(crate) const POINTS: usize = 8;

/// So many iterations are made before it is looked whether a point has escaped.
const BLOCK: u32 = 16;

/// The escape time of the point `re + im·i` in quarters of an iteration, or [`INSIDE`] if it has
/// not escaped after `iterations` (at most [`MAX_ITERATIONS`]).
#[must_use]
pub fn escape_time(re: f64, im: f64, iterations: u32) -> u16 {
    escape_time_from([0.0, 0.0], [re, im], 0..iterations)
}

/// The same, where `z` is the value after the iterations before `counts`.
fn escape_time_from([mut x, mut y]: [f64; 2], [re, im]: [f64; 2], counts: Range<u32>) -> u16 {
    for count in counts {
        let (x2, y2) = (x * x, y * y);
        let size = x2 + y2;
        if size > ESCAPED {
            return time(count, size);
        }
        y = (x + x) * y + im;
        x = x2 - y2 + re;
    }
    INSIDE
}

/// The escape times of `times.len()` points from `left + im·i` to the right, `step` apart.
pub fn escape_times(left: f64, im: f64, step: f64, iterations: u32, times: &mut [u16]) {
    let at = |column: usize| left + column as f64 * step;
    let mut groups = times.chunks_exact_mut(POINTS);
    let mut column = 0;
    for group in &mut groups {
        let re = std::array::from_fn(|point| at(column + point));
        group.copy_from_slice(&escape_times_at(&re, im, iterations));
        column += POINTS;
    }
    for time in groups.into_remainder() {
        *time = escape_time(at(column), im, iterations);
        column += 1;
    }
}

/// The escape times of the points `re[…] + im·i`.
///
/// A point that has escaped never comes back, and its size ends as infinity or NaN. So it suffices to look
/// after each block whether a point is still there, and to repeat the last block of one that is not.
fn escape_times_at(re: &[f64; POINTS], im: f64, iterations: u32) -> [u16; POINTS] {
    let mut times = [INSIDE; POINTS];
    let mut has_escaped = [false; POINTS];
    let (mut x, mut y) = ([0.0; POINTS], [0.0; POINTS]);
    let mut count = 0;
    while count < iterations && has_escaped.contains(&false) {
        let before = (x, y);
        let end = iterations.min(count + BLOCK);
        advance(&mut x, &mut y, re, im, end - count);
        for point in 0..POINTS {
            let is_here = x[point] * x[point] + y[point] * y[point] <= ESCAPED;
            if !is_here && !has_escaped[point] {
                has_escaped[point] = true;
                let z = [before.0[point], before.1[point]];
                times[point] = escape_time_from(z, [re[point], im], count..iterations);
            }
        }
        count = end;
    }
    times
}

/// Iterates all points. Without conditions in the loop, the compiler makes vector instructions of it.
#[cfg(not(target_family = "wasm"))]
fn advance(
    x: &mut [f64; POINTS],
    y: &mut [f64; POINTS],
    re: &[f64; POINTS],
    im: f64,
    iterations: u32,
) {
    for _ in 0..iterations {
        for point in 0..POINTS {
            let (x2, y2) = (x[point] * x[point], y[point] * y[point]);
            y[point] = (x[point] + x[point]) * y[point] + im;
            x[point] = x2 - y2 + re[point];
        }
    }
}

/// The escape time for `count` whole iterations and the fraction derived from `size`, the squared
/// distance at escape.
pub(crate) fn time(count: u32, size: f64) -> u16 {
    // One more iteration squares the distance, so the logarithm of its logarithm grows by one.
    let beyond = log2(log2(size) / log2(ESCAPED));
    let part = ((1.0 - beyond) * f64::from(PARTS)) as u32;
    (count * PARTS + part.min(PARTS - 1)) as u16
}

/// The logarithm to base 2 of a positive, finite, normal number, to about ten digits.
pub(crate) fn log2(value: f64) -> f64 {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // log2(m) = 2/ln 2 · atanh(s), with s at most 1/3 as m is from 1 to 2.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for term in (0..10).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    f64::from(exponent) + 2.0 * core::f64::consts::LOG2_E * s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_that_of_the_mathematicians() {
        for value in [1.0, 1.5, 1.999_999, 2.0, 3.0, 65_536.0, 1e9, 0.1] {
            assert!((log2(value) - f64::log2(value)).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn the_origin_never_escapes_and_a_far_point_does_at_once() {
        assert_eq!(escape_time(0.0, 0.0, 1000), INSIDE);
        assert_eq!(escape_time(-1.0, 0.0, MAX_ITERATIONS), INSIDE);
        assert!(escape_time(2.0, 2.0, 1000) < 6 * 4);
    }

    #[test]
    fn a_point_further_out_escapes_sooner_by_parts_of_an_iteration() {
        let times: Vec<u16> = (0..400)
            .map(|i| escape_time(0.26 + f64::from(i) * 0.001, 0.0, 1000))
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
        assert!(times.iter().any(|time| time % 4 != 0));
    }

    #[test]
    fn the_longest_time_does_not_collide_with_inside() {
        assert!(time(MAX_ITERATIONS, ESCAPED + 1.0) < INSIDE);
    }

    #[test]
    fn a_row_is_its_points() {
        // Groups and a rest, limits in and between blocks, points of all kinds, and points so far away that they
        // escape at once.
        for (left, im, step) in [(-0.75, 0.1, 0.003), (-2.5, 0.0, 0.05), (1e3, -1e200, 1e180)] {
            for iterations in [0, 1, 15, 16, 17, 500, 2_000] {
                let mut row = [7; 99];
                escape_times(left, im, step, iterations, &mut row);
                for (column, time) in row.iter().enumerate() {
                    let alone = escape_time(left + column as f64 * step, im, iterations);
                    assert_eq!(*time, alone, "{left} {im} {iterations}, column {column}");
                }
            }
        }
    }
}
