//! In which order jobs are begun where results are checked: in a random one.
//!
//! A job that is given to a volunteer as a check has been begun before. If jobs were begun in the order of their queue,
//! its number, or what its input says about its place among others, would tell that it is a check, and a liar could be
//! honest there. So each new job is the next one from a random place of the queue on.

use super::dice::Dice;

/// How many places of a queue jobs are drawn from, from the first open job on. All of them are begun before any later
/// one, so that no job waits for ever while others are added. A job of an earlier stretch can only be a check, so a
/// stretch must be long in comparison with what is begun while a check waits. A database writes a page for each job that
/// is begun far from others, so it must not be longer than what a cache holds.
pub const STRETCH: i64 = 1 << 13;

/// What places are drawn from, and the order of the jobs that are there. The ledger draws from the same number, and
/// begins elsewhere.
#[must_use]
pub fn dice(drawn: u64) -> Dice {
    Dice::new(!drawn)
}

/// How often is drawn for so many jobs: some are drawn more than once.
#[must_use]
pub fn tries(count: usize) -> usize {
    count + count / 4
}

/// The place in a stretch of a queue that a random number stands for.
#[must_use]
pub fn place(share: f64, first: i64, last: i64) -> i64 {
    let width = last.saturating_sub(first).saturating_add(1);
    first
        .saturating_add((share * width as f64) as i64)
        .min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_all_over_a_stretch_and_nowhere_else() {
        let mut dice = dice(7);
        let drawn: Vec<i64> = (0..10_000).map(|_| place(dice.share(), 5, 14)).collect();
        for at in 5..=14 {
            let count = drawn.iter().filter(|place| **place == at).count();
            assert!((850..1_150).contains(&count), "{at}: {count}");
        }
        assert!(drawn.iter().all(|place| (5..=14).contains(place)));
        assert_eq!(place(0.999, 3, 3), 3);
        assert_eq!(place(0.0, i64::MAX, i64::MAX), i64::MAX);
    }
}
