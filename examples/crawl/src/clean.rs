//! Stage b: pages without boilerplate that keep the rules of quality.
//!
//! First [`boilerplate`] is removed, then [lines](line_rule) as for C4, and then pages
//! are dropped by the rules of C4 and those in `quality.rs`. The order is that of FineWeb, except
//! that the language is identified afterwards, in the text without its navigation; rules for
//! English only are applied then.

use crate::page::{Image, InputError, Page, Pages};
use crate::quality;
use crate::words::{sentences, words};

/// Stage b: `lines` is the output of stage a.
///
/// # Errors
/// Returns an error if it is not.
pub fn clean(lines: &[u8]) -> Result<Vec<u8>, InputError> {
    let mut pages = Pages::read(lines)?;
    pages.sieve("clean", |page, counts| {
        let before = page.text.lines().count();
        page.text = content(page)?;
        page.text = c4(&page.text)?;
        quality::repetition(&page.text)?;
        quality::gopher(&page.text)?;
        quality::fineweb(&page.text)?;
        counts.add_many(
            "clean.lines_removed",
            (before - page.text.lines().count()) as u64,
        );
        page.blocks.clear();
        page.linked.clear();
        let images = page.images.len();
        page.images.retain(has_caption);
        counts.add_many("clean.images_removed", (images - page.images.len()) as u64);
        Ok(())
    });
    Ok(pages.write())
}

/// Whether the text says something about the image.
///
/// LAION-400M drops texts of fewer than 5 characters (Schuhmann et al. 2021, "LAION-400M: Open
/// Dataset of CLIP-Filtered 400 Million Image-Text Pairs", section 2.2).
fn has_caption(image: &Image) -> bool {
    image.alt.chars().count().max(image.caption.chars().count()) >= 5
}

/// A line of a page with what decides whether it is content.
struct Block<'a> {
    text: &'a str,
    kind: u8,
    words: usize,
    /// The share of its words that are in links.
    density: f64,
}

/// The lines that are content.
fn content(page: &Page) -> Result<String, &'static str> {
    let kinds = page.blocks.as_bytes();
    let blocks: Vec<Block<'_>> = page
        .text
        .lines()
        .enumerate()
        .map(|(index, text)| {
            let words = words(text).count();
            let linked = page.linked.get(index).copied().unwrap_or(0);
            let density = f64::from(linked) / words.max(1) as f64;
            Block {
                text,
                kind: kinds.get(index).copied().unwrap_or(b'p'),
                words,
                density,
            }
        })
        .collect();
    let empty = Block {
        text: "",
        kind: b'p',
        words: 0,
        density: 0.0,
    };
    let at = |index: usize| blocks.get(index).unwrap_or(&empty);
    let mut kept = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        // What precedes the first line is an empty one.
        let previous = if index == 0 { &empty } else { at(index - 1) };
        if block.kind != b'n' && !boilerplate(previous, block, at(index + 1)) {
            kept.push(block.text);
        }
    }
    if kept.is_empty() {
        Err("boilerplate")
    } else {
        Ok(kept.join("\n"))
    }
}

/// Whether a line is boilerplate, by the number of words and the density of links of three lines:
/// algorithm 2 of Kohlschütter, Fankhauser and Nejdl 2010, "Boilerplate Detection using Shallow
/// Text Features". In addition, lines in `nav`, `footer`, `aside` and `menu`, which did not exist
/// then, are no content.
fn boilerplate(previous: &Block<'_>, block: &Block<'_>, next: &Block<'_>) -> bool {
    if block.density > 0.333_333 {
        return true;
    }
    if previous.density <= 0.555_556 {
        return block.words <= 16 && next.words <= 15 && previous.words <= 4;
    }
    block.words <= 40 && next.words <= 17
}

/// The rules of C4, with the constants of its code where the paper has none (Raffel et al. 2020,
/// "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", section
/// 2.2; `c4_utils.py` in TensorFlow Datasets). As for FineWeb (Penedo et al. 2024, "The FineWeb
/// Datasets", section 3.5), lines need no mark at their end, which costs too many good pages. Its
/// list of bad words is left out for the same reason.
fn c4(text: &str) -> Result<String, &'static str> {
    let lower = text.to_lowercase();
    if lower.contains("lorem ipsum") {
        return Err("c4_lorem_ipsum");
    }
    if text.contains('{') {
        return Err("c4_curly_bracket");
    }
    let kept: Vec<String> = text.lines().filter_map(line_rule).collect();
    if kept.iter().map(|line| sentences(line)).sum::<usize>() < 5 {
        return Err("c4_few_sentences");
    }
    Ok(kept.join("\n"))
}

/// The line without citations such as `[1]`, or nothing if C4 removes it: fewer than 3 words, one
/// word of more than 1,000 characters, "javascript", or a notice about cookies and terms.
fn line_rule(line: &str) -> Option<String> {
    const POLICY: [&str; 6] = [
        "terms of use",
        "privacy policy",
        "cookie policy",
        "uses cookies",
        "use of cookies",
        "use cookies",
    ];
    let line = without_citations(line);
    let lower = line.to_lowercase();
    let is_kept = words(&line).take(3).count() == 3
        && line
            .split_whitespace()
            .all(|word| word.len() <= 1000 || word.chars().count() <= 1000)
        && !lower.contains("javascript")
        && !POLICY.iter().any(|phrase| lower.contains(phrase));
    is_kept.then_some(line)
}

/// Removes `[edit]`, `[citation needed]`, and numbers in square brackets.
fn without_citations(line: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(open) = rest.find('[') {
        let (before, bracket) = rest.split_at(open);
        kept.push_str(before);
        let inside = bracket.find(']').map(|close| &bracket[1..close]);
        let is_citation = |inside: &str| {
            matches!(inside, "edit" | "citation needed")
                || inside.bytes().all(|byte| byte.is_ascii_digit())
        };
        rest = match inside.filter(|inside| is_citation(inside)) {
            Some(inside) => &bracket[inside.len() + 2..],
            None => {
                kept.push('[');
                &bracket[1..]
            }
        };
    }
    kept.push_str(rest);
    kept.trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Counts;
    use crate::sample::prose;

    /// A page from lines, each with its kind and the number of its words that are in links.
    fn page(lines: &[(&str, char, u32)]) -> Page {
        Page {
            text: lines
                .iter()
                .map(|line| line.0)
                .collect::<Vec<_>>()
                .join("\n"),
            blocks: lines.iter().map(|line| line.1).collect(),
            linked: lines.iter().map(|line| line.2).collect(),
            ..Page::default()
        }
    }

    fn cleaned(pages: Vec<Page>) -> (Vec<Page>, Counts) {
        let input = Pages {
            pages,
            counts: Counts::default(),
        };
        let made = Pages::read(&clean(&input.write()).expect("lines")).expect("pages");
        (made.pages, made.counts)
    }

    #[test]
    fn an_article_is_freed_of_what_surrounds_it() {
        let article: Vec<String> = (0..8).map(|seed| prose(seed, 30)).collect();
        let mut lines = vec![("Home About Contact", 'p', 3), ("Share this page", 'n', 0)];
        lines.extend(article.iter().map(|line| (&line[..], 'p', 0)));
        lines.extend([
            ("More of this", 'n', 0),
            ("Read on", 'p', 2),
            ("Imprint and privacy", 'p', 3),
        ]);
        let (pages, counts) = cleaned(vec![page(&lines)]);
        assert_eq!(pages[0].text, article.join("\n"));
        assert_eq!(
            (counts.of("clean.kept"), counts.of("clean.lines_removed")),
            (1, 5)
        );
        assert!(pages[0].blocks.is_empty() && pages[0].linked.is_empty());
    }

    #[test]
    fn the_decision_tree_is_that_of_the_paper() {
        let block = |words, density| Block {
            text: "",
            kind: b'p',
            words,
            density,
        };
        let is = |previous: (usize, f64), current: (usize, f64), next: usize| {
            let [previous, current] =
                [previous, current].map(|(words, density)| block(words, density));
            boilerplate(&previous, &current, &block(next, 0.0))
        };
        assert!(is((50, 0.0), (50, 0.4), 50));
        assert!(!is((50, 0.0), (3, 0.0), 3));
        assert!(is((4, 0.0), (16, 0.0), 15));
        assert!(!is((4, 0.0), (17, 0.0), 15));
        assert!(!is((4, 0.0), (16, 0.0), 16));
        assert!(is((4, 0.9), (40, 0.0), 17));
        assert!(!is((4, 0.9), (41, 0.0), 17));
        assert!(!is((4, 0.9), (40, 0.0), 18));
    }

    #[test]
    fn each_rule_of_c4_drops_its_page_or_line() {
        let good: Vec<String> = (0..6).map(|seed| prose(seed, 12)).collect();
        let good = good.join("\n");
        assert_eq!(c4(&good).as_ref(), Ok(&good));
        assert_eq!(c4(&format!("{good} Lorem Ipsum")), Err("c4_lorem_ipsum"));
        assert_eq!(c4(&format!("{good} if (a) {{")), Err("c4_curly_bracket"));
        assert_eq!(c4("One. Two of them. Three."), Err("c4_few_sentences"));
        for line in [
            "Two words.",
            "Please enable JavaScript here.",
            "This site uses cookies.",
            &format!("a b {}", "x".repeat(1001)),
        ] {
            assert_eq!(c4(&format!("{line}\n{good}")).as_ref(), Ok(&good), "{line}");
        }
    }

    #[test]
    fn citations_are_taken_out() {
        assert_eq!(
            without_citations("So[1][23] it[edit] is[citation needed]."),
            "So it is."
        );
        assert_eq!(
            without_citations("An [a] and [1 and ["),
            "An [a] and [1 and ["
        );
        assert_eq!(without_citations("[[1]]"), "[]");
    }

    #[test]
    fn texts_that_say_nothing_are_no_captions() {
        let image = |alt: &str, caption: &str| Image {
            alt: alt.into(),
            caption: caption.into(),
            ..Image::default()
        };
        assert!(has_caption(&image("A cat", "")) && has_caption(&image("", "Größe")));
        assert!(!has_caption(&image("logo", "1")));
    }

    #[test]
    fn a_page_that_lies_about_its_lines_is_no_danger() {
        let lying = Page {
            blocks: "ü".into(),
            linked: vec![u32::MAX; 1],
            text: "a\nb\nc".into(),
            ..Page::default()
        };
        let (pages, counts) = cleaned(vec![lying, Page::default()]);
        assert_eq!(
            (pages.len(), counts.under("clean.drop.").count()),
            (0, 1),
            "{counts:?}"
        );
    }
}
