//! What people and machines are called: nicknames, display names, tokens, lease secrets.

use distcompute_protocol::{ANONYMOUS, MAX_NICKNAME};

/// Reads a nickname as it was typed; an empty one is the anonymous one. The error is a sentence.
///
/// # Errors
/// It is too long or contains U+0000, which no database column takes.
pub fn nickname(typed: &str) -> Result<String, String> {
    let name = typed.trim();
    if name.chars().count() > MAX_NICKNAME {
        return Err(format!("A nickname has at most {MAX_NICKNAME} characters."));
    }
    no_nul(name)?;
    Ok(if name.is_empty() { ANONYMOUS } else { name }.to_owned())
}

/// Refuses U+0000, which no database column takes. The error is a sentence.
///
/// # Errors
/// The text contains it.
pub fn no_nul(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("The text must not contain U+0000.".to_owned());
    }
    Ok(())
}

/// Who counts as one volunteer: all registrations of one nickname, but each anonymous one alone.
#[must_use]
pub fn volunteer(nickname: &str, worker: i64) -> String {
    // The prefix keeps a nickname like "7" apart from worker 7.
    if nickname == ANONYMOUS {
        format!("w:{worker}")
    } else {
        format!("n:{nickname}")
    }
}

/// A worker's secret: a version 4 UUID made of random bits.
#[must_use]
pub fn token(bits: u128) -> String {
    uuid::Builder::from_random_bytes(bits.to_be_bytes())
        .into_uuid()
        .to_string()
}

/// A lease's secret.
#[must_use]
pub fn lease_secret(bits: u128) -> String {
    format!("{bits:032x}")
}

/// A worker's public name, `word-word-0..999`. Not unique.
#[must_use]
pub fn display_name(bits: u128) -> String {
    let pick = |words: &[&'static str], shift: u32| {
        let at = (bits >> shift) % words.len() as u128;
        words[usize::try_from(at).unwrap_or(0)]
    };
    format!(
        "{}-{}-{}",
        pick(QUALITIES, 64),
        pick(THINGS, 96),
        (bits & 0xffff_ffff) % 1_000
    )
}

const QUALITIES: &[&str] = &[
    "amber", "ample", "autumn", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "cheerful", "clear", "clever", "cosy", "crisp", "curious", "daring", "dusty", "eager", "early",
    "earnest", "faithful", "fancy", "fleet", "fluffy", "fond", "frosty", "gentle", "glad",
    "golden", "grand", "happy", "hardy", "hearty", "humble", "jolly", "keen", "kind", "lively",
    "lucky", "mellow", "merry", "mighty", "misty", "nimble", "noble", "patient", "plucky",
    "polite", "proud", "quick", "quiet", "rapid", "ready", "rustic", "silent", "silver", "sleepy",
    "snowy", "spry", "steady", "sunny", "swift", "tidy", "tranquil", "trusty", "vivid", "warm",
    "wise", "witty", "young", "zesty",
];

const THINGS: &[&str] = &[
    "acorn", "badger", "beacon", "birch", "bison", "brook", "canyon", "cedar", "cliff", "cloud",
    "comet", "condor", "coral", "crane", "delta", "dolphin", "dune", "eagle", "ember", "falcon",
    "fern", "finch", "fjord", "forest", "fox", "garden", "glacier", "harbour", "hare", "heron",
    "hill", "island", "kestrel", "lagoon", "lake", "lantern", "lark", "lynx", "maple", "marmot",
    "meadow", "meteor", "moose", "moss", "ocean", "orchard", "otter", "owl", "panda", "pebble",
    "pine", "planet", "pond", "prairie", "puffin", "raven", "reef", "river", "robin", "salmon",
    "sparrow", "spruce", "star", "stone", "stream", "swan", "thistle", "tiger", "valley", "walrus",
    "willow", "wren",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nickname_is_trimmed_and_none_is_anonymous() {
        assert_eq!(nickname("  Cluster 2 "), Ok("Cluster 2".to_owned()));
        assert_eq!(nickname("   "), Ok("anonymous".to_owned()));
    }

    #[test]
    fn a_nickname_that_cannot_be_stored_is_refused() {
        assert!(nickname(&"ä".repeat(128)).is_ok());
        assert!(nickname(&"ä".repeat(129)).is_err());
        assert!(nickname("a\0b").is_err());
    }

    #[test]
    fn a_nickname_is_one_volunteer_and_each_anonymous_worker_is_one() {
        assert_eq!(volunteer("Ann", 1), volunteer("Ann", 2));
        assert_ne!(volunteer("anonymous", 1), volunteer("anonymous", 2));
        assert_ne!(volunteer("anonymous", 7), volunteer("7", 1));
    }

    #[test]
    fn a_token_is_a_uuid() {
        let text = token(u128::MAX);
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_ne!(token(1), token(2));
    }

    #[test]
    fn a_display_name_is_two_words_and_a_number_up_to_999() {
        for bits in [0, 1, 999, 1_000, u128::MAX, 0x1234_5678_9abc_def0 << 60] {
            let name = display_name(bits);
            let parts: Vec<_> = name.split('-').collect();
            assert_eq!(parts.len(), 3, "{name}");
            assert!(parts[2].parse::<u32>().expect("a number") < 1_000, "{name}");
        }
    }
}
