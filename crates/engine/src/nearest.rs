//! Finds the name that a misspelt one was meant to be, for messages about unknown options.

use crate::fault::Fault;
use crate::list::IntoList;

/// Longer names are not compared: they are no typing errors, and comparing is quadratic.
const LONGEST: usize = 64;

/// The name that `given` is a misspelling of. At most a third of the letters may be wrong, missing,
/// extra or swapped with their neighbour; case is ignored.
#[must_use]
pub fn nearest<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    if given.len() > LONGEST {
        return None;
    }
    let mut best = None;
    for name in names {
        let apart = distance(given, name);
        let near = apart <= (name.len().max(given.len()) / 3).max(1);
        if near && best.is_none_or(|(least, _)| apart < least) {
            best = Some((apart, *name));
        }
    }
    best.map(|(_, name)| name)
}

/// The fault for `given`, which is none of the `names`. `what` is the kind of name, "option" for
/// example.
#[must_use]
pub fn unknown(what: &str, given: &str, names: &[&str]) -> Fault {
    let shown: String = given.chars().take(LONGEST).collect();
    Fault::argument(match nearest(given, names) {
        Some(name) => format!("unknown {what} '{shown}'; did you mean '{name}'?"),
        None => {
            let mut known = String::new();
            for name in names {
                known.push_str(if known.is_empty() { "" } else { ", " });
                known.push_str(name);
            }
            format!("unknown {what} '{shown}'; there is only {known}.")
        }
    })
}

/// The edit distance with swaps of neighbours (Damerau-Levenshtein, restricted), ignoring case.
fn distance(one: &str, other: &str) -> usize {
    let letters =
        |text: &str| -> Vec<u8> { text.bytes().map(|b| b.to_ascii_lowercase()).into_list() };
    let (one, other) = (letters(one), letters(other));
    let mut before = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).into_list();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [&str; 5] = [
        "cores",
        "intensity",
        "pauseOnBattery",
        "background",
        "hours",
    ];

    #[test]
    fn a_misspelt_name_is_recognised() {
        let options = [
            "url", "stage", "stages", "nickname", "joinKey", "spawn", "settings", "limits",
        ];
        for (given, meant) in [
            ("nicknam", "nickname"),
            ("nickName", "nickname"),
            ("ncikname", "nickname"),
            ("URL", "url"),
            ("stag", "stage"),
            ("join_key", "joinKey"),
            ("setings", "settings"),
            ("limit", "limits"),
        ] {
            assert_eq!(nearest(given, &options), Some(meant), "{given}");
        }
        assert_eq!(nearest("core", &SETTINGS), Some("cores"));
        assert_eq!(nearest("pauseOnBatery", &SETTINGS), Some("pauseOnBattery"));
        assert_eq!(
            nearest("pause_on_battery", &SETTINGS),
            Some("pauseOnBattery")
        );
    }

    #[test]
    fn what_is_like_no_name_gets_the_list() {
        assert_eq!(nearest("", &SETTINGS), None);
        assert_eq!(nearest("colour", &SETTINGS), None);
        assert_eq!(nearest(&"cores".repeat(1_000), &SETTINGS), None);
        assert_eq!(
            unknown("setting", "colour", &SETTINGS).message,
            "unknown setting 'colour'; there is only cores, intensity, pauseOnBattery, background, \
             hours."
        );
        assert_eq!(
            unknown("setting", "core", &SETTINGS).message,
            "unknown setting 'core'; did you mean 'cores'?"
        );
    }

    #[test]
    fn swaps_count_once() {
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "SAME"), 0);
    }
}
