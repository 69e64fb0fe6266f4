//! Stage d: a signature by which near duplicates are found.
//!
//! MinHash with the parameters of FineWeb: shingles of 5 words, 112 hashes in 14 bands of 8, so
//! that two pages with three quarters of their shingles in common share a band with a probability
//! of 0.77, and those with 85 % with 0.99. Two pages are near duplicates if a band is equal, so a
//! key of 64 bits per band is all that travels. The hash functions are those of datatrove, (a·h +
//! b) mod 2^61 − 1, with constants of our own.

use crate::page::{InputError, Page, Pages};
use core::fmt::Write;
use twox_hash::XxHash64;

/// The number of bands; a signature has a key for each.
pub(crate) const BANDS: usize = 14;

/// The hashes of a band.
const ROWS: usize = 8;

/// The words of a shingle.
const SHINGLE: usize = 5;

const PRIME: u64 = (1 << 61) - 1;

/// Stage d: `lines` is the output of stage c.
///
/// # Errors
/// Returns an error if it is not.
pub fn sign(lines: &[u8]) -> Result<Vec<u8>, InputError> {
    let mut pages = Pages::read(lines)?;
    let functions = functions();
    pages.sieve("sign", |page: &mut Page, _| {
        let keys = keys(&page.text, &functions).ok_or("short")?;
        page.bands.clear();
        for key in keys {
            write!(page.bands, "{key:016x}").expect("memory");
        }
        Ok(())
    });
    Ok(pages.write())
}

/// A function of the family: (a·h + b) mod 2^61 − 1.
#[derive(Clone, Copy)]
struct Function {
    a: u64,
    b: u64,
}

impl Function {
    /// `hash` is below the prime.
    fn of(self, hash: u64) -> u64 {
        let product = u128::from(self.a) * u128::from(hash) + u128::from(self.b);
        // 2^61 is 1 modulo the prime.
        let folded = (product as u64 & PRIME) + (product >> 61) as u64;
        if folded >= PRIME {
            folded - PRIME
        } else {
            folded
        }
    }
}

fn functions() -> [Function; BANDS * ROWS] {
    // SplitMix64, whose sequence is the same everywhere.
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % PRIME
    };
    [(); BANDS * ROWS].map(|()| Function {
        a: next().max(1),
        b: next(),
    })
}

/// The keys of the bands, or nothing if the text is shorter than a shingle.
fn keys(text: &str, functions: &[Function; BANDS * ROWS]) -> Option<[u64; BANDS]> {
    let mut least = [u64::MAX; BANDS * ROWS];
    let shingles = shingles(text);
    if shingles.is_empty() {
        return None;
    }
    for shingle in shingles {
        for (least, function) in least.iter_mut().zip(functions) {
            *least = function.of(shingle).min(*least);
        }
    }
    let (bands, _) = least.as_chunks::<ROWS>();
    let key = |index: usize| {
        let band: Vec<u8> = bands[index]
            .iter()
            .flat_map(|hash| hash.to_le_bytes())
            .collect();
        XxHash64::oneshot(0, &band)
    };
    Some(core::array::from_fn(key))
}

/// The hashes of the shingles, each once, below the prime. Words are compared without regard to
/// case, punctuation and, as in datatrove, digits.
fn shingles(text: &str) -> Vec<u64> {
    let lower = text.to_lowercase();
    let plain: String = lower
        .chars()
        .map(|c| match c {
            _ if c.is_numeric() => '0',
            _ if c.is_alphanumeric() => c,
            _ => ' ',
        })
        .collect();
    let words: Vec<u64> = crate::words::words(&plain)
        .map(|word| XxHash64::oneshot(0, word.as_bytes()))
        .collect();
    let hash = |words: &[u64; SHINGLE]| {
        let bytes: [[u8; 8]; SHINGLE] = words.map(u64::to_le_bytes);
        XxHash64::oneshot(1, bytes.as_flattened()) % PRIME
    };
    let mut shingles: Vec<u64> = words.array_windows::<SHINGLE>().map(hash).collect();
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::prose;

    fn shared(one: &str, other: &str) -> usize {
        let functions = functions();
        let keys = |text| keys(text, &functions).expect("keys");
        keys(one)
            .iter()
            .zip(keys(other))
            .filter(|(one, other)| **one == *other)
            .count()
    }

    #[test]
    fn what_differs_in_case_and_punctuation_has_the_same_signature() {
        let text = prose(1, 200);
        let other = text.to_uppercase().replace('.', " —").replace(' ', "\n");
        assert_eq!(shared(&text, &other), BANDS);
    }

    #[test]
    fn near_duplicates_share_bands_and_others_none() {
        let text = prose(1, 400);
        let changed = text.replacen("the", "one", 2);
        assert_ne!(text, changed);
        assert!(shared(&text, &changed) > 0);
        assert_eq!(shared(&text, &prose(2, 400)), 0);
    }

    #[test]
    fn bands_are_shared_as_often_as_the_formula_says() {
        for different in [16, 40, 100] {
            let mut found = 0;
            for pair in 0..500 {
                // The last words differ, so that all shingles before them are common.
                let text = |other: usize| {
                    let word = |n: usize| {
                        letters(pair * 10_000 + n + if n < 304 - different { 0 } else { other })
                    };
                    (0..304).map(word).collect::<Vec<_>>().join(" ")
                };
                found += usize::from(shared(&text(0), &text(5000)) > 0);
            }
            let similarity = (300.0 - different as f64) / (300.0 + different as f64);
            let expected = 1.0 - (1.0 - similarity.powi(ROWS as i32)).powi(BANDS as i32);
            let share = f64::from(found as u32) / 500.0;
            assert!(
                (share - expected).abs() < 0.06,
                "{different}: {share} instead of {expected}"
            );
        }
    }

    /// A word for a number. Digits are all alike in a signature.
    fn letters(number: usize) -> String {
        number
            .to_string()
            .bytes()
            .map(|digit| (digit - b'0' + b'a') as char)
            .collect()
    }

    #[test]
    fn the_functions_are_those_of_the_formula() {
        for function in functions() {
            for hash in [0, 1, PRIME - 1, 0x0123_4567_89ab_cdef] {
                let exact = (u128::from(function.a) * u128::from(hash) + u128::from(function.b))
                    % u128::from(PRIME);
                assert_eq!(u128::from(function.of(hash)), exact);
            }
        }
    }

    #[test]
    fn the_signature_never_changes() {
        let keys =
            keys("The quick brown fox jumps over the lazy dog.", &functions()).expect("keys");
        let text: String = keys.iter().map(|key| format!("{key:016x}")).collect();
        assert_eq!(&text[..32], "8d94bd4a4e6be0481ca5bd0b3fef9d5c");
    }
}
