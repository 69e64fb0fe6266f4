//! Words, sentences and punctuation, for all languages alike.
//!
//! The rules of quality count words. Languages that write no spaces between them would have one
//! word per sentence, so each of their characters counts as a word.

/// The words of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().flat_map(split)
}

/// Splits what stands between spaces before and after each character of a script without spaces.
fn split(chunk: &str) -> impl Iterator<Item = &str> {
    let mut rest = chunk;
    core::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if is_unspaced(first) {
            first.len_utf8()
        } else if rest.is_ascii() {
            rest.len()
        } else {
            rest.find(is_unspaced).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Whether a character belongs to a script without spaces: Thai, Lao, Tibetan, Burmese, Khmer,
/// Hiragana, Katakana and Han.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0fff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Whether a line ends like a sentence. C4 knows `. ! ? "`; the others mean the same in their
/// languages, and quotes and brackets may follow.
pub(crate) fn ends_sentence(line: &str) -> bool {
    let line = line.trim_end();
    let quoted = line.trim_end_matches(['"', '\'', '”', '’', '»', ')', '」', '』', '）']);
    line.ends_with('"') || quoted.ends_with(is_sentence_end)
}

fn is_sentence_end(c: char) -> bool {
    matches!(
        c,
        '.' | '!'
            | '?'
            | '…'
            | '。'
            | '！'
            | '？'
            | '।'
            | '॥'
            | '؟'
            | '۔'
            | '։'
            | '።'
            | '។'
            | '၊'
            | '။'
    )
}

/// Whether a line ends with an ellipsis.
pub(crate) fn ends_open(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with("...") || line.ends_with('…')
}

/// The number of sentences of a line, of which there is at least one: marks at the end of a
/// sentence that are followed by a space, or by anything in scripts without spaces.
pub(crate) fn sentences(line: &str) -> usize {
    let mut count = 1;
    let mut characters = line.trim_end().chars().peekable();
    while let Some(c) = characters.next() {
        let Some(next) = characters.peek() else { break };
        let is_full = matches!(c, '。' | '！' | '？') && !is_sentence_end(*next);
        if is_full || is_sentence_end(c) && next.is_whitespace() {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_without_spaces_have_a_word_per_character() {
        let split = |text| words(text).collect::<Vec<_>>();
        assert_eq!(split(" one  two-three\n"), ["one", "two-three"]);
        assert_eq!(split("用Rust写"), ["用", "Rust", "写"]);
        assert_eq!(split("naïve ไทย"), ["naïve", "ไ", "ท", "ย"]);
        assert_eq!(split("한국어 문장"), ["한국어", "문장"]);
    }

    #[test]
    fn sentences_end_in_all_scripts() {
        for line in [
            "So it is.",
            "\"So it is.\" ",
            "(So?)",
            "それは何。",
            "«Так!»",
            "ہے۔",
            "\"",
        ] {
            assert!(ends_sentence(line), "{line}");
        }
        for line in ["Contact", "", "10:30", "a, b"] {
            assert!(!ends_sentence(line), "{line}");
        }
        assert!(ends_open("read more...") && !ends_open("so."));
        assert_eq!(sentences("One. Two? Three"), 3);
        assert_eq!(sentences("Version 1.2.3 of it."), 1);
        assert_eq!(sentences("一。二！三。"), 3);
    }
}
