//! Which of the jobs that wait for another opinion a volunteer may be given.
//!
//! Each of them has a random place in the lane, which nobody is told. Whoever could look through the whole lane could
//! choose whom to confirm, and so confirm an accomplice. The lane is therefore divided into parts, and for a minute
//! each volunteer is given jobs of one part alone, which follows from a secret of the database. There are about half
//! as many parts as volunteers who can confirm, so that each part has two to four of them.

use std::ops::RangeInclusive;

use ring::hmac;

use crate::clock::Millis;

/// For how long a volunteer has the same part.
pub const MINUTE: Millis = 60_000;

/// The most parts there are. A volunteer that asks at least once a minute has had each part after twice as many
/// minutes.
const MOST_PARTS: i64 = 32;

/// Returns into how many parts the lane is divided: a power of two, so that they change seldom.
#[must_use]
pub fn parts(established: i64) -> u32 {
    let half = u32::try_from((established / 2).clamp(1, MOST_PARTS)).unwrap_or(1);
    1 << half.ilog2()
}

/// Returns the part that a volunteer has at a time. In each period of as many minutes as there are parts it has each
/// of them once.
#[must_use]
pub fn part(secret: &str, volunteer: &str, now: Millis, parts: u32) -> u32 {
    let minute = now.div_euclid(MINUTE);
    let period = minute.div_euclid(i64::from(parts));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{parts} {period} {volunteer}").as_bytes());
    let begin = tag.as_ref().iter().take(4);
    let begin = begin.fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    let step = minute.rem_euclid(i64::from(parts)) as u32;
    (begin % parts + step) % parts
}

/// Returns the places of a part.
#[must_use]
pub fn places(part: u32, parts: u32) -> RangeInclusive<i64> {
    let width = (1_u64 << 63) / u64::from(parts);
    let begin = u64::from(part) * width;
    (begin as i64)..=((begin + width - 1) as i64)
}

/// Returns the places of a part from a random one within it on, and those before.
#[must_use]
pub fn from_within(part: u32, parts: u32, dice: u64) -> [RangeInclusive<i64>; 2] {
    let (first, last) = places(part, parts).into_inner();
    let width = last.abs_diff(first);
    let begin = first + (dice % (width + 1)) as i64;
    [begin..=last, first..=begin.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_to_four_of_those_who_can_confirm_share_a_part() {
        for few in 0..4 {
            assert_eq!(parts(few), 1, "{few} see everything");
        }
        for (established, expected) in [(4, 2), (7, 2), (8, 4), (50, 16), (64, 32), (1_000_000, 32)]
        {
            assert_eq!(parts(established), expected, "{established}");
        }
    }

    #[test]
    fn the_parts_are_all_places_and_do_not_overlap() {
        for parts in [1, 2, 16, 32] {
            let all: Vec<_> = (0..parts).map(|part| places(part, parts)).collect();
            assert_eq!((*all[0].start(), *all[all.len() - 1].end()), (0, i64::MAX));
            assert!(
                all.windows(2)
                    .all(|two| two[0].end() + 1 == *two[1].start())
            );
        }
    }

    #[test]
    fn nobody_waits_longer_for_a_part_than_twice_as_many_minutes_as_there_are_parts() {
        for parts in [1, 2, 16, 32] {
            let longest = 2 * parts as usize;
            for who in ["k:a", "k:b", "k:c"] {
                let minutes = 0..100 + longest as i64;
                let had = minutes.map(|at| part("secret", who, at * MINUTE, parts));
                let had: Vec<u32> = had.collect();
                for within in had.windows(longest) {
                    assert!((0..parts).all(|one| within.contains(&one)));
                }
            }
        }
    }

    #[test]
    fn without_the_secret_a_part_cannot_be_guessed() {
        let of = |secret: &str, who: &str| -> Vec<u32> {
            let times = (0..320).map(|minute| minute * MINUTE);
            times.map(|now| part(secret, who, now, 16)).collect()
        };
        assert_ne!(of("one", "k:a"), of("another", "k:a"));
        assert_ne!(of("one", "k:a"), of("one", "k:b"));
        // Two of them meet in about one of sixteen minutes.
        let (a, b) = (of("one", "k:a"), of("one", "k:b"));
        let met = a.iter().zip(&b).filter(|(one, other)| one == other).count();
        assert!((4..60).contains(&met), "{met} of 320");
    }
}
