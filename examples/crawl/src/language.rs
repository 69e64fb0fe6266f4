//! Stage c: the language of each page.
//!
//! The identifier is whatlang: 69 languages by trigrams and alphabets. lingua is more accurate on
//! single words, which do not occur here, and weighs 100 MB; whichlang is faster, and knows 16
//! languages. Sizes and accuracy are in the README.

use crate::page::{InputError, Page, Pages};
use crate::quality;
use whatlang::{Info, Lang, detect};

/// How much of a text is looked at, in bytes. More does not change the answer.
const LOOKED_AT: usize = 4096;

/// The confidence below which a page is dropped, in thousandths. whatlang calls 900 reliable.
const RELIABLE: u16 = 900;

/// Stage c: `lines` is the output of stage b.
///
/// # Errors
/// Returns an error if it is not.
pub fn identify(lines: &[u8]) -> Result<Vec<u8>, InputError> {
    let mut pages = Pages::read(lines)?;
    pages.sieve("language", |page, counts| {
        let info = detect(start(&page.text)).ok_or("unknown")?;
        page.language = info.lang().code().into();
        page.confidence = (info.confidence() * 1000.0) as u16;
        if page.confidence < RELIABLE && !is_named(page, &info) {
            return Err("unreliable");
        }
        if info.lang() == Lang::Eng {
            quality::gopher_english(&page.text)?;
        }
        counts.add(&format!("language.of.{}", page.language));
        Ok(())
    });
    Ok(pages.write())
}

/// Whether the page itself names the language, which makes up for confidence.
fn is_named(page: &Page, info: &Info) -> bool {
    let named = |hint: &String| {
        let primary = hint.split('-').next().unwrap_or("");
        primary == info.lang().code() || two_letters(info.lang()) == Some(primary)
    };
    page.hints.iter().any(named)
}

/// The ISO 639-1 code of the languages that whatlang confuses with others.
fn two_letters(language: Lang) -> Option<&'static str> {
    Some(match language {
        Lang::Afr => "af",
        Lang::Bel => "be",
        Lang::Bul => "bg",
        Lang::Cat => "ca",
        Lang::Ces => "cs",
        Lang::Dan => "da",
        Lang::Deu => "de",
        Lang::Eng => "en",
        Lang::Epo => "eo",
        Lang::Est => "et",
        Lang::Fin => "fi",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Hrv => "hr",
        Lang::Hun => "hu",
        Lang::Ind => "id",
        Lang::Ita => "it",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Mar => "mr",
        Lang::Mkd => "mk",
        Lang::Nep => "ne",
        Lang::Nld => "nl",
        Lang::Nob => "no",
        Lang::Pol => "pl",
        Lang::Por => "pt",
        Lang::Ron => "ro",
        Lang::Rus => "ru",
        Lang::Slk => "sk",
        Lang::Slv => "sl",
        Lang::Spa => "es",
        Lang::Srp => "sr",
        Lang::Swe => "sv",
        Lang::Tur => "tr",
        Lang::Ukr => "uk",
        Lang::Vie => "vi",
        _ => return None,
    })
}

fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOOKED_AT)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::paragraphs;

    fn language(text: &str, hint: &str) -> (String, String) {
        let mut pages = Pages::default();
        let hints = vec![hint.into()];
        pages.pages.push(Page {
            text: text.into(),
            hints,
            ..Page::default()
        });
        let made = Pages::read(&identify(&pages.write()).expect("lines")).expect("pages");
        let reason = made
            .counts
            .under("language.drop.")
            .next()
            .map_or("", |(reason, _)| reason)
            .into();
        (
            made.pages
                .first()
                .map_or(String::new(), |page| page.language.clone()),
            reason,
        )
    }

    #[test]
    fn paragraphs_of_all_samples_are_identified() {
        for (code, text) in paragraphs() {
            assert_eq!(language(text, ""), (code.into(), String::new()), "{text}");
        }
    }

    #[test]
    fn what_is_unsure_is_dropped_unless_the_page_names_it() {
        let text = "Det er en god dag.";
        let info = detect(text).expect("a language");
        assert!(!info.is_reliable(), "{info:?}");
        assert_eq!(language(text, ""), (String::new(), "unreliable".into()));
        let named = info.lang().code();
        assert_eq!(language(text, named), (named.into(), String::new()));
        assert_eq!(language("1 2 3", ""), (String::new(), "unknown".into()));
    }

    #[test]
    fn english_without_its_most_frequent_words_is_no_prose() {
        let list = "Visitors should always check opening hours before travelling. Children under twelve years \
                    enter free. Please leave large bags at home because lockers are small. Photography is allowed \
                    everywhere except inside upper galleries.";
        assert_eq!(
            language(list, "en"),
            (String::new(), "gopher_stop_words".into())
        );
    }
}
