//! Linking the key of a further device: the new device shows a code, and the volunteer types it on a
//! device whose key is known, which signs it. From then on both keys are one volunteer.

use crate::clock::Millis;

/// How long a code is accepted.
pub const LASTS: Millis = 600_000;

/// How many codes there may be at once, so that one cannot be found by guessing, and the table stays
/// small.
pub const MOST_CODES: u64 = 10_000;

/// How many keys may be linked to one.
pub const MOST_DEVICES: u64 = 16;

/// The letters of codes: without those that are mistaken for each other.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The letters of one half of a code.
const HALF: usize = 5;

/// Makes a code from random bits: fifty of them, as `XXXXX-XXXXX`.
#[must_use]
pub fn code(bits: u128) -> String {
    let letter = |at: usize| {
        let letter = (bits >> (5 * at)) as usize % LETTERS.len();
        char::from(LETTERS[letter])
    };
    let half = |from: usize| (from..from + HALF).map(letter).collect::<String>();
    format!("{}-{}", half(0), half(HALF))
}

/// A code as it was typed: in small letters, with spaces or without the hyphen. `None`: it is none.
#[must_use]
pub fn typed(text: &str) -> Option<String> {
    let letters = text.bytes().filter(|byte| !matches!(byte, b' ' | b'-'));
    let letters: Vec<u8> = letters
        .take(2 * HALF + 1)
        .map(|byte| byte.to_ascii_uppercase())
        .collect();
    let fits = letters.len() == 2 * HALF && letters.iter().all(|byte| LETTERS.contains(byte));
    let letters = String::from_utf8(letters).ok().filter(|_| fits)?;
    let (one, other) = letters.split_at(HALF);
    Some(format!("{one}-{other}"))
}

/// What is known when one key asks for another one to be linked to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The identity of the key that signs.
    pub identity: &'a str,
    /// The new key.
    pub new: &'a str,
    /// How many keys are linked to the identity.
    pub devices: u64,
    /// How many keys are linked to the new one.
    pub of_new: u64,
}

/// Why the keys cannot be linked, as a sentence.
#[must_use]
pub fn refusal(asked: Asked<'_>) -> Option<&'static str> {
    if asked.new == asked.identity {
        Some("This code is shown by a device of the same volunteer already.")
    } else if asked.of_new > 0 {
        Some(
            "Other devices are linked to the one that shows this code: link them the other way round.",
        )
    } else if asked.devices >= MOST_DEVICES {
        Some("As many devices as there may be are linked to this volunteer.")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let shown = code(0x0123_4567_89ab_cdef_0123);
        assert_eq!(shown.len(), 11);
        assert_eq!(typed(&shown).as_ref(), Some(&shown));
        let loose = format!(" {} ", shown.to_lowercase().replace('-', " "));
        assert_eq!(typed(&loose).as_ref(), Some(&shown));
        assert_eq!(typed(&shown.replace('-', "")).as_ref(), Some(&shown));
        assert_ne!(code(1), code(2));
        assert_eq!(code(0), "22222-22222");
        for wrong in [
            "",
            "ABCDE",
            "ABCDE-FGHJKL",
            "0BCDE-FGHJK",
            "\u{e4}BCDE-FGHJ",
            "ABCDE_FGHJK",
        ] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_linked_to_one_that_is_not_linked_itself() {
        let fine = Asked {
            identity: "old",
            new: "new",
            devices: MOST_DEVICES - 1,
            of_new: 0,
        };
        assert_eq!(refusal(fine), None);
        for wrong in [
            Asked { new: "old", ..fine },
            Asked { of_new: 1, ..fine },
            Asked {
                devices: MOST_DEVICES,
                ..fine
            },
        ] {
            assert!(refusal(wrong).is_some(), "{wrong:?}");
        }
    }
}
