//! Escape times: the arithmetic for one point, and for a row of points.
//!
//! Only `+ - * /` on `f64` are used, in a fixed order and never fused, so that every machine
//! computes the same bits. That is also why there is a logarithm of our own: those of the systems
//! differ.

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

/// The escape time of the point `re + im·i` in quarters of an iteration, or [`INSIDE`] if it has
/// not escaped after `iterations` (at most [`MAX_ITERATIONS`]).
#[must_use]
pub fn escape_time(re: f64, im: f64, iterations: u32) -> u16 {
    let (mut x, mut y) = (0.0, 0.0);
    for count in 0..iterations {
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
    for (pair, out) in times.chunks_mut(2).enumerate() {
        let column = pair * 2;
        match out {
            #[cfg(target_family = "wasm")]
            [first, second] => {
                [*first, *second] =
                    crate::simd::escape_times([at(column), at(column + 1)], im, iterations);
            }
            out => {
                for (lane, time) in out.iter_mut().enumerate() {
                    *time = escape_time(at(column + lane), im, iterations);
                }
            }
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
        let mut row = [0; 7];
        escape_times(-0.75, 0.1, 0.013, 500, &mut row);
        for (column, time) in row.iter().enumerate() {
            assert_eq!(*time, escape_time(-0.75 + column as f64 * 0.013, 0.1, 500));
        }
    }
}
