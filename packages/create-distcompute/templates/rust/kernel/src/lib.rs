//! The kernel: what a job computes. worker.js calls it in each core.

use wasm_bindgen::prelude::*;

/// The number from `from` to below `to` with the longest Collatz sequence, and how many steps that
/// takes to 1: `[number, steps]`.
#[wasm_bindgen]
pub fn longest(from: u32, to: u32) -> Vec<u32> {
    let mut best = [from, 0];
    for start in from.max(1)..to {
        let steps = steps(start);
        if steps > best[1] {
            best = [start, steps];
        }
    }
    best.to_vec()
}

fn steps(start: u32) -> u32 {
    let mut number = u64::from(start);
    let mut steps = 0;
    while number != 1 {
        number = if number % 2 == 0 { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_sequence_below_ten_begins_at_nine() {
        assert_eq!(longest(1, 10), [9, 19]);
    }
}
