//! The rules of Gopher and FineWeb: reasons to drop a page.
//!
//! Gopher: Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training
//! Gopher", section A.1.1 and table A1. FineWeb: Penedo et al. 2024, "The FineWeb Datasets:
//! Decanting the Web for the Finest Text Data at Scale", section 3.6. Where a text leaves something
//! open, it is as in `datatrove`, with which FineWeb was made.

use crate::words::{ends_open, ends_sentence, is_unspaced, words};
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{HashMap, HashSet};

/// Gopher's rules of quality, except for the one about English.
pub(crate) fn gopher(text: &str) -> Result<(), &'static str> {
    let (mut count, mut characters, mut alphabetic, mut unspaced) =
        (0_usize, 0_usize, 0_usize, 0_usize);
    for word in words(text).filter(|word| !is_punctuation(word)) {
        count += 1;
        characters += word.chars().count();
        alphabetic += usize::from(word.chars().any(char::is_alphabetic));
        unspaced += usize::from(word.starts_with(is_unspaced));
    }
    if count < 50 {
        return Err("gopher_few_words");
    }
    if count > 100_000 {
        return Err("gopher_many_words");
    }
    // Words of scripts without spaces are single characters.
    let is_spaced = unspaced * 2 < count;
    if is_spaced && characters < 3 * count {
        return Err("gopher_short_words");
    }
    if is_spaced && characters > 10 * count {
        return Err("gopher_long_words");
    }
    // At most one symbol to ten words.
    if text.matches('#').count() * 10 > count {
        return Err("gopher_hashes");
    }
    if (text.matches("...").count() + text.matches('…').count()) * 10 > count {
        return Err("gopher_ellipses");
    }
    let lines = text.lines().count();
    let bullets = text
        .lines()
        .filter(|line| line.trim_start().starts_with(['•', '‣', '▪', '-', '*']))
        .count();
    if bullets * 10 > lines * 9 {
        return Err("gopher_bullets");
    }
    if text.lines().filter(|line| ends_open(line)).count() * 10 > lines * 3 {
        return Err("gopher_open_lines");
    }
    if alphabetic * 10 < count * 8 {
        return Err("gopher_alphabetic");
    }
    Ok(())
}

/// Gopher's rule about English: two of eight words that no text is without.
pub(crate) fn gopher_english(text: &str) -> Result<(), &'static str> {
    const COMMON: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];
    let is_common = |word: &&str| {
        COMMON
            .iter()
            .any(|common| word.eq_ignore_ascii_case(common))
    };
    match words(text).filter(is_common).take(2).count() {
        2 => Ok(()),
        _ => Err("gopher_stop_words"),
    }
}

fn is_punctuation(word: &str) -> bool {
    word.chars().all(|c| {
        c.is_ascii_punctuation()
            || matches!(
                c,
                '、' | '。' | '，' | '！' | '？' | '「' | '」' | '・' | '：'
            )
    })
}

/// Gopher's rules of repetition. Paragraphs are lines here, so the rules for both are one.
pub(crate) fn repetition(text: &str) -> Result<(), &'static str> {
    let total = text.chars().count();
    let (mut seen, mut lines, mut repeated, mut repeated_characters) = (HashSet::new(), 0, 0, 0);
    for line in text.lines() {
        lines += 1;
        if !seen.insert(line) {
            repeated += 1;
            repeated_characters += line.chars().count();
        }
    }
    if repeated * 100 > lines * 30 {
        return Err("gopher_repeated_lines");
    }
    if repeated_characters * 100 > total * 20 {
        return Err("gopher_repeated_line_characters");
    }
    let grams = Grams::new(text);
    for (length, percent) in [(2, 20), (3, 18), (4, 16)] {
        if grams.most_frequent(length) * 100 > total * percent {
            return Err("gopher_frequent_words");
        }
    }
    for (length, percent) in [(5, 15), (6, 14), (7, 13), (8, 12), (9, 11), (10, 10)] {
        if grams.repeated(length) * 100 > total * percent {
            return Err("gopher_repeated_words");
        }
    }
    Ok(())
}

/// The words of a text as numbers, the same for the same word.
struct Grams {
    words: Vec<u32>,
    /// The number of characters of the words before each index.
    characters: Vec<usize>,
}

impl Grams {
    fn new(text: &str) -> Self {
        let (mut numbers, mut words_of) = (HashMap::new(), Vec::new());
        let (mut characters, mut sum) = (vec![0], 0);
        for word in words(text) {
            let next = numbers.len() as u32;
            words_of.push(*numbers.entry(word).or_insert(next));
            sum += word.chars().count();
            characters.push(sum);
        }
        Self {
            words: words_of,
            characters,
        }
    }

    /// A key for the `length` words from `index` on. Others have the same with a probability of
    /// 2^-64.
    fn key(&self, index: usize, length: usize) -> Option<u64> {
        let words = self.words.get(index..index + length)?;
        let mix = |key: u64, word: &u32| {
            let mixed = (key ^ u64::from(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ mixed >> 32
        };
        Some(words.iter().fold(length as u64, mix))
    }

    /// The number of characters of `length` words from `index` on, with the spaces between them.
    fn characters(&self, index: usize, length: usize) -> usize {
        self.characters[index + length] - self.characters[index] + length - 1
    }

    /// The number of characters that the most frequent sequence of words covers. One that occurs
    /// once is not frequent.
    fn most_frequent(&self, length: usize) -> usize {
        let mut counts = HashMap::<u64, (usize, usize), Keyed>::default();
        for index in 0..self.words.len() {
            let Some(key) = self.key(index, length) else {
                break;
            };
            counts
                .entry(key)
                .or_insert((0, self.characters(index, length)))
                .0 += 1;
        }
        // All that occur most often are compared, so that the order of the map does not matter.
        let most = counts.values().map(|(count, _)| *count).max().unwrap_or(0);
        let covered = counts
            .values()
            .filter(|(count, _)| *count == most && most > 1);
        covered
            .map(|(count, characters)| count * characters)
            .max()
            .unwrap_or(0)
    }

    /// The number of characters in sequences of words that occurred before, which do not overlap.
    fn repeated(&self, length: usize) -> usize {
        let (mut seen, mut index, mut characters) = (HashSet::<u64, Keyed>::default(), 0, 0);
        while let Some(key) = self.key(index, length) {
            if seen.insert(key) {
                index += 1;
            } else {
                characters += self.characters(index, length);
                index += length;
            }
        }
        characters
    }
}

/// For maps whose keys are hashes: they are not hashed once more.
type Keyed = BuildHasherDefault<Key>;

#[derive(Default)]
struct Key(u64);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// FineWeb's own rules, with the thresholds of the paper (that of the characters in repeated lines
/// is 0.01 in the code's default, and 0.1 in the paper).
pub(crate) fn fineweb(text: &str) -> Result<(), &'static str> {
    let (mut lines, mut ended, mut short) = (0, 0, 0);
    let (mut seen, mut characters, mut repeated) = (HashSet::new(), 0, 0);
    for line in text.lines() {
        let length = line.chars().count();
        lines += 1;
        ended += usize::from(ends_sentence(line));
        short += usize::from(length <= 30);
        characters += length;
        if !seen.insert(line) {
            repeated += length;
        }
    }
    if ended * 100 <= lines * 12 {
        return Err("fineweb_line_ends");
    }
    if repeated * 10 >= characters {
        return Err("fineweb_repeated_lines");
    }
    if short * 100 >= lines * 67 {
        return Err("fineweb_short_lines");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::prose;

    /// A text of `count` lines that are all different.
    fn lines(count: usize) -> Vec<String> {
        (0..count as u64).map(|seed| prose(seed, 12)).collect()
    }

    #[test]
    fn prose_passes_all_rules() {
        let text = lines(20).join("\n");
        let all = (
            gopher(&text),
            gopher_english(&text),
            repetition(&text),
            fineweb(&text),
        );
        assert_eq!(all, (Ok(()), Ok(()), Ok(()), Ok(())));
    }

    #[test]
    fn each_rule_of_gopher_drops_its_page() {
        let good = lines(20).join("\n");
        let words = |word: &str, count| [word, " "].concat().repeat(count);
        assert_eq!(gopher("Too short."), Err("gopher_few_words"));
        assert_eq!(gopher(&words("word", 100_001)), Err("gopher_many_words"));
        assert_eq!(gopher(&words("at", 60)), Err("gopher_short_words"));
        assert_eq!(
            gopher(&words("incomprehensibility", 60)),
            Err("gopher_long_words")
        );
        assert_eq!(
            gopher(&format!("{good} {}", words("#hashtag", 60))),
            Err("gopher_hashes")
        );
        assert_eq!(
            gopher(&format!("{good} {}", words("more...", 60))),
            Err("gopher_ellipses")
        );
        assert_eq!(gopher(&words("2024-10", 60)), Err("gopher_alphabetic"));
        let each = |before: &str, after: &str| {
            let lines = lines(20)
                .into_iter()
                .map(|line| format!("{before}{line}{after}"));
            gopher(&lines.collect::<Vec<_>>().join("\n"))
        };
        assert_eq!(each("• ", ""), Err("gopher_bullets"));
        assert_eq!(each("", "…"), Err("gopher_open_lines"));
        assert_eq!(
            gopher_english("der die das und the"),
            Err("gopher_stop_words")
        );
    }

    #[test]
    fn words_of_scripts_without_spaces_may_be_short() {
        assert_eq!(
            gopher(&"今日は天気がいいから散歩しましょう。".repeat(5)),
            Ok(())
        );
    }

    #[test]
    fn each_kind_of_repetition_drops_its_page() {
        let join = |lines: Vec<String>| lines.join("\n");
        let twice = join([lines(5), lines(5)].concat());
        assert_eq!(repetition(&twice), Err("gopher_repeated_lines"));
        let long = format!("{} ", prose(77, 150));
        let text = join([lines(8), vec![long.clone(), long]].concat());
        assert_eq!(repetition(&text), Err("gopher_repeated_line_characters"));
        assert_eq!(
            repetition(&"again and ".repeat(40)),
            Err("gopher_frequent_words")
        );
        let passage = prose(5, 30);
        let text = join(
            (0..6)
                .map(|n| format!("{} {passage} {}", prose(100 + n, 30), prose(200 + n, 30)))
                .collect(),
        );
        assert_eq!(repetition(&text), Err("gopher_repeated_words"));
        assert_eq!(repetition(""), Ok(()));
    }

    #[test]
    fn each_rule_of_fineweb_drops_its_page() {
        let open: Vec<String> = lines(20)
            .iter()
            .map(|line| line.trim_end_matches('.').into())
            .collect();
        assert_eq!(fineweb(&open.join("\n")), Err("fineweb_line_ends"));
        let short: Vec<String> = (0..20).map(|n| format!("Item number {n}.")).collect();
        assert_eq!(fineweb(&short.join("\n")), Err("fineweb_short_lines"));
        let repeated = [lines(7), lines(1)].concat().join("\n");
        assert_eq!(fineweb(&repeated), Err("fineweb_repeated_lines"));
        assert_eq!(fineweb(""), Err("fineweb_line_ends"));
    }

    #[test]
    fn sequences_are_measured_in_characters() {
        let grams = Grams::new("a bc a bc d a bc");
        assert_eq!((grams.most_frequent(2), grams.most_frequent(3)), (12, 0));
        // "bc a" occurs once only, so the second "a bc" is the first repetition.
        assert_eq!((grams.repeated(2), grams.repeated(9)), (8, 0));
    }
}
