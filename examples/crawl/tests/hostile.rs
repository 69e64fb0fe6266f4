//! No bytes lead to a panic, neither as an archive nor as the output of another volunteer.
#![cfg(not(target_family = "wasm"))]

use crawl::sample::{archive, gzip, synthetic};
use crawl::{Extractor, Join, Pages, clean, extract, identify, pack, sign, unpack};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// All stages after the first.
fn all_stages(lines: &[u8]) {
    let Ok(cleaned) = clean(lines) else { return };
    let signed = identify(&cleaned)
        .and_then(|lines| sign(&lines))
        .expect("the output of a stage");
    let shard = pack(&signed).expect("the output of a stage");
    let pages = unpack(&shard.gzip).expect("a shard");
    let mut join = Join::default();
    join.add(&pages);
    join.keep(pages);
    let _ = join.card().markdown();
}

/// One change of an archive.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 1..=255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (any::<Index>(), 1..5000_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<Index>(), vec(any::<u8>(), 1..100))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..5000_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

fn apply(change: &Change, archive: &mut Vec<u8>) {
    let length = archive.len();
    let range = |at: &Index, size: usize| {
        let at = at.index(length);
        at..(at + size).min(length)
    };
    match change {
        Change::Flip(at, bits) => archive[at.index(length)] ^= bits,
        Change::Cut(at, size) => drop(archive.drain(range(at, *size))),
        Change::Insert(at, bytes) => drop(archive.splice(range(at, 0), bytes.iter().copied())),
        Change::Repeat(at, size) => {
            let range = range(at, *size);
            let copy = archive[range.clone()].to_vec();
            drop(archive.splice(range.start..range.start, copy));
        }
    }
}

/// Pieces of what the parsers look for.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "WARC/1.0\r\n",
        "WARC-Type: response\r\n",
        "WARC-Type: resource\r\nContent-Type: text/html\r\n",
        "WARC-Target-URI: http://a/\r\n",
        "Content-Length: ",
        "20",
        "0",
        "99999999999999999999",
        "-1",
        "\r\n",
        "\r\n\r\n",
        "\n",
        " ",
        ":",
        "HTTP/1.1 200 OK\r\n",
        "Content-Type: text/html; charset=",
        "utf-16",
        "\"",
        "Transfer-Encoding: chunked\r\n",
        "Content-Encoding: gzip, br, deflate\r\n",
        "ffffffffffffffff\r\n",
        "5\r\n",
        "<",
        ">",
        "</",
        "<p>",
        "<!--",
        "<meta charset=",
        "<meta http-equiv=content-type content='charset=",
        "<base href=",
        "<img srcset='",
        "a 1x, b 2w",
        "alt=",
        "'",
        "<svg>",
        "</svg>",
        "<div hidden>",
        "</div>",
        "<title>",
        "<figure><figcaption>",
        "</figure>",
        "&",
        "&#x110000;",
        "&#xD800",
        "&NotEqualTilde;",
        "http://a/ 1.2.3.4 20240229120000 text/html ",
        "filedesc://",
        "text of the page. ",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_damaged_archive_is_read_to_its_end(is_odd: bool, changes in vec(change(), 1..8)) {
        let mut damaged = if is_odd { archive() } else { synthetic(3, 60_000, true) };
        for change in &changes {
            apply(change, &mut damaged);
        }
        all_stages(&extract(&damaged));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_archive_that_is_not_compressed_may_be_damaged_too(changes in vec(change(), 1..8)) {
        let mut damaged = synthetic(4, 60_000, false);
        for change in &changes {
            apply(change, &mut damaged);
        }
        all_stages(&extract(&damaged));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_fragments_lead_to_a_panic(fragments in vec(fragment(), 0..60), part in 1..300_usize, is_compressed: bool) {
        let bytes = fragments.concat();
        let bytes = if is_compressed { gzip(&bytes) } else { bytes };
        let mut extractor = Extractor::default();
        let mut lines: Vec<u8> = bytes.chunks(part).flat_map(|part| extractor.push(part)).collect();
        lines.extend(extractor.finish());
        // The size of the parts makes no difference.
        prop_assert!(lines == extract(&bytes));
        all_stages(&lines);
    }

    #[test]
    fn no_page_of_fragments_leads_to_a_panic(fragments in vec(fragment(), 0..200)) {
        let body = [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n".to_vec(), fragments.concat()].concat();
        all_stages(&extract(&crawl::sample::warc_record("response", "http://a/", &body)));
    }

    #[test]
    fn no_page_of_a_volunteer_leads_to_a_panic(text in "\\PC{0,400}", blocks in "\\PC{0,9}", linked in vec(any::<u32>(), 0..9), bands in "\\PC{0,300}") {
        let page = serde_json::json!({ "url": "", "text": text.replace('x', "\n"), "blocks": blocks, "linked": linked, "bands": bands });
        let lines = format!("{page}\n{{\"counts\":{{}}}}\n");
        all_stages(lines.as_bytes());
        // The later stages may be given anything, too.
        for stage in [clean, identify, sign] {
            let lines = stage(lines.as_bytes()).expect("a page");
            prop_assert!(Pages::read(&lines).is_ok());
        }
    }

    #[test]
    fn no_bytes_lead_to_a_panic(bytes in vec(any::<u8>(), 0..3000)) {
        all_stages(&extract(&bytes));
        let _ = (unpack(&bytes), Pages::read(&bytes));
        for stage in [clean, identify, sign] {
            let _ = stage(&bytes);
        }
    }
}
