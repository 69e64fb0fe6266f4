//! What becomes of the odd records, each alone and all in one archive, compressed and not.

use crawl::sample::{Fate, archive, gzip, odd, warc_record};
use crawl::{Extractor, Pages, extract};

const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>the record after";

fn next() -> Vec<u8> {
    warc_record("response", "http://example.org/after", LAST)
}

/// Checks the fate of a record that is followed by an ordinary one.
fn check(name: &str, fate: Fate, archive: &[u8]) {
    let made = Pages::read(&extract(archive)).expect(name);
    let (last, pages) = made
        .pages
        .split_last()
        .unwrap_or_else(|| panic!("{name}: {made:?}"));
    assert_eq!(last.text, "the record after", "{name}");
    let texts: Vec<_> = pages.iter().map(|page| &page.text[..]).collect();
    let drops: Vec<_> = made.counts.under("extract.drop.").collect();
    let damage: Vec<_> = made.counts.under("extract.archive.").collect();
    match fate {
        Fate::Page(part) => {
            assert!(
                texts.len() == 1 && texts[0].contains(part),
                "{name}: {texts:?} {drops:?}"
            );
            assert!(
                drops.is_empty() && damage.is_empty(),
                "{name}: {drops:?} {damage:?}"
            );
        }
        Fate::Drop(reason) => assert_eq!((texts.len(), drops), (0, vec![(reason, 1)]), "{name}"),
        Fate::Damage(reason) => assert_eq!((texts.len(), damage), (0, vec![(reason, 1)]), "{name}"),
        Fate::Nothing => assert_eq!(
            (texts.len(), drops.len(), damage.len()),
            (0, 0, 0),
            "{name}"
        ),
    }
}

#[test]
fn each_odd_record_has_its_fate_and_costs_no_other() {
    let all = odd();
    assert!(all.len() > 40);
    for odd in all {
        check(odd.name, odd.fate, &[&odd.record[..], &next()].concat());
        check(
            odd.name,
            odd.fate,
            &[gzip(&odd.record), gzip(&next())].concat(),
        );
    }
}

#[test]
fn an_archive_of_all_of_them_gives_all_their_pages() {
    let wanted: Vec<&str> = odd()
        .into_iter()
        .filter_map(|odd| match odd.fate {
            Fate::Page(part) => Some(part),
            _ => None,
        })
        .collect();
    let made = Pages::read(&extract(&archive())).expect("pages");
    for part in wanted {
        assert!(
            made.pages.iter().any(|page| page.text.contains(part)),
            "{part}"
        );
    }
    for kind in ["corrupt", "garbage", "checksum"] {
        assert!(
            made.counts.of(&format!("extract.archive.{kind}")) > 0,
            "{kind}: {:?}",
            made.counts
        );
    }
    assert!(made.counts.of("extract.images_forbidden") == 1);
}

#[test]
fn an_archive_in_parts_of_any_size_gives_the_same_lines() {
    let archive = archive();
    let whole = extract(&archive);
    for size in [999, 65_537] {
        let (mut extractor, mut lines) = (Extractor::default(), Vec::new());
        for part in archive.chunks(size) {
            lines.extend(extractor.push(part));
        }
        lines.extend(extractor.finish());
        assert!(lines == whole, "in parts of {size}");
    }
}
