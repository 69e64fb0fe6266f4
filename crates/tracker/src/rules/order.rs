//! In which order jobs are begun where results are checked: in a random one.
//!
//! A job that is given to a volunteer as a check has been begun before. If jobs were begun in the order of their queue,
//! its number, or what its input says about its place among others, would tell that it is a check, and a liar could be
//! honest there. So each new job is the next one from a random place of the queue on.

/// How many places of a queue jobs are drawn from, from the first open job on. All of them are begun before any later
/// one, so that no job waits for ever while others are added. A job of an earlier stretch can only be a check, so a
/// stretch must be long in comparison with what is begun while a check waits. A database writes a page for each job that
/// is begun far from others, so it must not be longer than what a cache holds.
pub const STRETCH: i64 = 1 << 13;

/// Random numbers from 0 on and below 1, without end. `dice` must be other than those of the last time.
pub fn shares(dice: u64) -> impl Iterator<Item = f64> {
    // SplitMix64, from another place than that where the ledger begins.
    let mut state = !dice;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    })
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

/// Puts a list into a random order.
pub fn shuffle<T>(list: &mut [T], dice: u64) {
    let lasts = (1..list.len()).rev();
    for (last, share) in lasts.zip(shares(dice)) {
        let other = place(share, 0, last as i64);
        list.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_all_over_a_stretch_and_nowhere_else() {
        let drawn: Vec<i64> = shares(7)
            .take(10_000)
            .map(|share| place(share, 5, 14))
            .collect();
        for at in 5..=14 {
            let count = drawn.iter().filter(|place| **place == at).count();
            assert!((850..1_150).contains(&count), "{at}: {count}");
        }
        assert!(drawn.iter().all(|place| (5..=14).contains(place)));
        assert_eq!(place(0.999, 3, 3), 3);
        assert_eq!(place(0.0, i64::MAX, i64::MAX), i64::MAX);
    }

    #[test]
    fn other_dice_draw_another_order() {
        let order = |dice| {
            let mut list: Vec<u32> = (0..20).collect();
            shuffle(&mut list, dice);
            list
        };
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        let firsts = (0..2_000).filter(|dice| order(*dice)[0] < 10).count();
        assert!((900..1_100).contains(&firsts), "{firsts}");
        shuffle::<u32>(&mut [], 1);
    }
}
