//! Names and identifiers: nicknames, display names, tokens, lease secrets, address groups.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use distcompute_protocol::{ANONYMOUS, MAX_NICKNAME};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_security::confusable_detection::skeleton;

/// How the identity of a volunteer with a key begins; its thumbprint follows.
const KEY: &str = "k:";

/// The group of all loopback addresses.
const LOOPBACK: &str = "loopback";

/// The maximum number of consecutive combining marks that a nickname keeps. Languages need up to
/// four; more would cover the lines above and below.
const MARKS: usize = 4;

/// Normalizes a nickname as typed: NFC, without invisible characters, words separated by single
/// spaces. One without visible characters becomes the anonymous one.
///
/// # Errors
/// Returns a sentence if the nickname is too long or contains U+0000, which no database column can
/// store.
pub fn nickname(typed: &str) -> Result<String, String> {
    no_nul(typed)?;
    let name = legible(typed);
    if [typed.trim(), &name]
        .iter()
        .any(|name| name.chars().count() > MAX_NICKNAME)
    {
        return Err(format!("A nickname has at most {MAX_NICKNAME} characters."));
    }
    Ok(if name.is_empty() {
        ANONYMOUS.to_owned()
    } else {
        name
    })
}

/// Removes from a name what cannot be read; the result is empty if nothing is visible. Also applied
/// to names stored by earlier trackers, which accepted any text.
#[must_use]
pub fn legible(name: &str) -> String {
    let mut legible = String::with_capacity(name.len());
    let mut marks = 0;
    for letter in name.nfc() {
        if letter.is_whitespace() {
            if !legible.is_empty() && !legible.ends_with(' ') {
                legible.push(' ');
            }
            marks = 0;
            continue;
        }
        // A combining mark needs a base letter.
        let mark = is_combining_mark(letter);
        let bare = mark && (legible.is_empty() || legible.ends_with(' '));
        marks = if mark { marks + 1 } else { 0 };
        if !bare && marks <= MARKS && !is_invisible(letter) {
            legible.push(letter);
        }
    }
    legible.truncate(legible.trim_end().len());
    // A removed character may have separated two that compose.
    legible.nfc().collect()
}

/// Whether a character other than white space is invisible, or affects how others are displayed.
fn is_invisible(letter: char) -> bool {
    let steers = matches!(
        letter.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
    );
    // A skeleton omits the characters that Unicode calls "default ignorable", and maps blank glyphs
    // to spaces.
    let mut text = [0; 4];
    steers || skeleton(letter.encode_utf8(&mut text)).all(char::is_whitespace)
}

/// The look of a name: names with the same look are easily mistaken for each other. Similar letters
/// of different scripts (Unicode's confusables) and upper and lower case are the same.
#[must_use]
pub fn look(name: &str) -> String {
    let name = legible(name);
    let letters: String = skeleton(&name)
        .filter(|letter| !letter.is_whitespace())
        .collect();
    letters.to_lowercase().nfd().collect()
}

/// Which name had each look first; later names with that look could be mistaken for it.
#[derive(Debug, Clone, Default)]
pub struct Looks(HashMap<String, String>);

impl Looks {
    /// `known` are pairs of a look and the name that had it first.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(known.into_iter().collect())
    }

    /// Adds names that may not be known yet, older ones first.
    pub fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            let first = self.0.entry(look(name));
            first.or_insert_with(|| name.to_owned());
        }
    }

    /// Whether this name could be mistaken for an older one.
    #[must_use]
    pub fn is_alike(&self, name: &str) -> bool {
        let look = look(name);
        let first = self.0.get(&look).map(String::as_str);
        name != ANONYMOUS
            && (look == self::look(ANONYMOUS) || first.is_some_and(|first| first != name))
    }
}

/// Refuses U+0000, which no database column can store.
///
/// # Errors
/// Returns a sentence if the text contains it.
pub fn no_nul(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("The text must not contain U+0000.".to_owned());
    }
    Ok(())
}

/// The identity of a volunteer: that of its key, or else of its address group, because without a key
/// anybody can have any number of nicknames. Where the tracker does not know addresses, a nickname is
/// all that tells volunteers apart.
#[must_use]
pub fn volunteer(key: Option<&str>, nickname: &str, address: &str) -> String {
    // The prefix distinguishes a nickname that looks like an address or a key from these.
    match (key, sharing_group(address)) {
        (Some(key), _) => format!("{KEY}{key}"),
        (None, Some(group)) => format!("a:{group}"),
        (None, None) if nickname == ANONYMOUS => format!("a:{}", address_group(address)),
        (None, None) => format!("n:{nickname}"),
    }
}

/// The key of an identity, if it is one of a key.
#[must_use]
pub fn key_of(volunteer: &str) -> Option<&str> {
    volunteer.strip_prefix(KEY)
}

/// The address group whose registrations share a limit of held jobs. `None` if the address is
/// unknown, or this machine's own, as behind a proxy that does not report its callers.
#[must_use]
pub fn sharing_group(address: &str) -> Option<String> {
    let group = address_group(address);
    (!group.is_empty() && group != LOOPBACK).then_some(group)
}

/// The address group of an address, which stands for one household or one machine: an IPv4 address,
/// the /64 network of an IPv6 address, or all loopback addresses.
#[must_use]
pub fn address_group(address: &str) -> String {
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(address) if address.is_loopback() => LOOPBACK.to_owned(),
        Ok(IpAddr::V6(address)) => {
            let network = u128::from(address) >> 64 << 64;
            format!("{}/64", Ipv6Addr::from(network))
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => String::new(),
    }
}

/// Makes a worker's token from random bits: a version 4 UUID.
#[must_use]
pub fn token(bits: u128) -> String {
    uuid::Builder::from_random_bytes(bits.to_be_bytes())
        .into_uuid()
        .to_string()
}

/// Makes a lease's secret from random bits.
#[must_use]
pub fn lease_secret(bits: u128) -> String {
    format!("{bits:032x}")
}

/// Makes a worker's public name from random bits: `word-word-0..999`. Not unique.
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
    fn a_nickname_is_composed_and_has_nothing_that_cannot_be_seen() {
        for (typed, name) in [
            ("Zoe\u{308}", "Zo\u{eb}"),
            ("A\u{200b}nn\u{feff}", "Ann"),
            ("\u{202e}nnA", "nnA"),
            ("A\u{7}n\u{85}n\u{9b}", "An n"),
            ("Ann \t\r\n\u{a0}\u{3000}Lee\u{2028}", "Ann Lee"),
            ("e\u{200d}\u{301}", "\u{e9}"),
            ("\u{e000}x\u{e0041}", "x"),
            (
                "Z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}!",
                "Z\u{300}\u{301}\u{302}\u{303}!",
            ),
            (
                "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
                "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            ),
            ("\u{1f680} Ann", "\u{1f680} Ann"),
        ] {
            assert_eq!(nickname(typed).as_deref(), Ok(name), "{typed:?}");
        }
    }

    #[test]
    fn a_nickname_that_shows_nothing_is_the_anonymous_one() {
        for blank in [
            "",
            "\u{200b}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}\u{1160}",
            "\u{2800}",
            "\u{ad}",
            "\u{34f}",
            "\u{fe0f}",
            "\u{180e}",
            "\u{2062} \u{2063}",
            "\u{301}",
            "\u{e0020}",
            "\u{1b}",
        ] {
            assert_eq!(nickname(blank).as_deref(), Ok("anonymous"), "{blank:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_have_one_look() {
        for (one, other) in [
            ("Ann", "\u{410}nn"),
            ("paypal", "p\u{430}yp\u{430}l"),
            ("Bob", "B0b"),
            ("lan", "Ian"),
            ("Ann", "ANN"),
            ("Ann", "A n n"),
            ("modern", "modem"),
            ("Zo\u{eb}", "Zoe\u{308}"),
        ] {
            assert_eq!(look(one), look(other), "{one} and {other}");
        }
        assert_ne!(look("Ann"), look("Anna"));
        assert_ne!(look("Bob"), look("Rob"));
    }

    #[test]
    fn the_later_one_of_two_that_look_the_same_is_alike() {
        let (ann, other) = ("Ann", "\u{410}nn");
        let mut looks = Looks::new([(look(ann), ann.to_owned())]);
        looks.add([other, "Bob", "B0b"]);
        assert!(looks.is_alike(other) && !looks.is_alike(ann));
        assert!(looks.is_alike("B0b") && !looks.is_alike("Bob"));
        assert!(!looks.is_alike("Cleo"));
        assert!(looks.is_alike("\u{430}nonymous") && !looks.is_alike(ANONYMOUS));
    }

    #[test]
    fn a_nickname_that_cannot_be_stored_is_refused() {
        assert!(nickname(&"ä".repeat(128)).is_ok());
        assert!(nickname(&"ä".repeat(129)).is_err());
        assert!(nickname("a\0b").is_err());
    }

    #[test]
    fn a_key_is_one_volunteer_whatever_its_name_and_address() {
        let volunteer = |nickname, address| volunteer(Some("KEY"), nickname, address);
        assert_eq!(volunteer("Ann", "192.0.2.1"), "k:KEY");
        assert_eq!(volunteer("Bob", "198.51.100.2"), "k:KEY");
        assert_eq!(volunteer("anonymous", ""), "k:KEY");
        assert_eq!(key_of("k:KEY"), Some("KEY"));
        // Nobody becomes one by a nickname.
        for nickname in ["k:KEY", "KEY"] {
            let plain = super::volunteer(None, nickname, "");
            assert_eq!(key_of(&plain), None, "{plain}");
        }
    }

    #[test]
    fn without_a_key_nicknames_of_one_address_are_one_volunteer() {
        let volunteer = |nickname, address| volunteer(None, nickname, address);
        assert_eq!(volunteer("Ann", "192.0.2.1"), volunteer("Bob", "192.0.2.1"));
        assert_ne!(volunteer("Ann", "192.0.2.1"), volunteer("Ann", "192.0.2.2"));
        // Where all have one address, as behind a proxy that is not trusted, names are all there is.
        for address in ["", "127.0.0.1"] {
            assert_ne!(volunteer("Ann", address), volunteer("Bob", address));
            assert_ne!(
                volunteer("192.0.2.1", address),
                volunteer("anonymous", "192.0.2.1")
            );
        }
    }

    #[test]
    fn unnamed_workers_of_one_address_are_one_volunteer() {
        let volunteer = |nickname, address| volunteer(None, nickname, address);
        let same = [
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
            ("127.0.0.1", "::1"),
            ("127.0.0.1", "127.8.8.8"),
            ("", "not an address"),
        ];
        for (one, other) in same {
            let (one, other) = (volunteer("anonymous", one), volunteer("anonymous", other));
            assert_eq!(one, other);
        }
        let apart = [
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("127.0.0.1", ""),
        ];
        for (one, other) in apart {
            let (one, other) = (volunteer("anonymous", one), volunteer("anonymous", other));
            assert_ne!(one, other);
        }
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
