//! All shards together: near duplicates across them, and the data set's card.

use crate::page::{Counts, Page, Pages};
use crate::signature::BANDS;
use core::fmt::Write;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Takes the shards one after another, twice: [`Join::add`] for all, then [`Join::keep`] for all in
/// the same order. It needs some 300 bytes of memory for each page.
#[derive(Debug)]
pub struct Join {
    counts: Counts,
    shards: u64,
    /// For each band, the first page that has a key.
    bands: [HashMap<u64, u32>; BANDS],
    /// Union-find: pages by number, each with one before it in its cluster or with itself.
    parents: Vec<u32>,
    /// The number of the next page that `keep` is given.
    next: usize,
    kept: Counts,
}

impl Default for Join {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            shards: 0,
            bands: core::array::from_fn(|_| HashMap::new()),
            parents: Vec::new(),
            next: 0,
            kept: Counts::default(),
        }
    }
}

impl Join {
    /// Takes a shard in the first round. Pages whose signature cannot be read are in no cluster.
    pub fn add(&mut self, shard: &Pages) {
        self.counts.merge(&shard.counts);
        self.shards += 1;
        for page in &shard.pages {
            let number = self.parents.len() as u32;
            self.parents.push(number);
            for (band, key) in keys(&page.bands).enumerate() {
                let first = *self.bands[band].entry(key).or_insert(number);
                self.unite(first, number);
            }
        }
    }

    /// The first page of the cluster.
    fn first(&mut self, page: u32) -> u32 {
        let mut first = page;
        while self.parents[first as usize] != first {
            // Halves the path, so that it stays short.
            let next = self.parents[first as usize];
            self.parents[first as usize] = self.parents[next as usize];
            first = next;
        }
        first
    }

    fn unite(&mut self, one: u32, other: u32) {
        let (one, other) = (self.first(one), self.first(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }

    /// Takes a shard in the second round, and returns its pages that stay: the first of each
    /// cluster. Their signatures are taken off.
    pub fn keep(&mut self, shard: Pages) -> Vec<Page> {
        let mut kept = Vec::new();
        for mut page in shard.pages {
            let number = self.next as u32;
            self.next += 1;
            if self.parents.get(number as usize).is_none() || self.first(number) != number {
                continue;
            }
            page.bands.clear();
            self.kept.add("pages");
            self.kept
                .add_many("characters", page.text.chars().count() as u64);
            self.kept.add_many("images", page.images.len() as u64);
            self.kept.add(&format!("language.{}", page.language));
            kept.push(page);
        }
        kept
    }

    /// The card, after both rounds.
    #[must_use]
    pub fn card(mut self) -> Card {
        let pages = self.parents.len() as u32;
        let mut clusters = BTreeMap::new();
        for page in 0..pages {
            *clusters.entry(self.first(page)).or_insert(0_u64) += 1;
        }
        let duplicated = clusters.values().filter(|size| **size > 1);
        let drops = |stage: &str| {
            let prefix = format!("{stage}.drop.");
            self.counts
                .under(&prefix)
                .map(|(reason, count)| (reason.into(), count))
                .collect()
        };
        let stage = |name: &'static str| Stage {
            name,
            kept: self.counts.of(&format!("{name}.kept")),
            dropped: drops(name),
        };
        let map = |counts: &Counts, prefix| {
            counts
                .under(prefix)
                .map(|(name, count)| (name.to_owned(), count))
                .collect()
        };
        Card {
            shards: self.shards,
            records: map(&self.counts, "extract.record."),
            damage: map(&self.counts, "extract.archive."),
            stages: ["extract", "clean", "language", "sign"].map(stage),
            clusters: duplicated.clone().count() as u64,
            duplicates: duplicated.map(|size| size - 1).sum(),
            pages: self.kept.of("pages"),
            characters: self.kept.of("characters"),
            images: self.kept.of("images"),
            images_forbidden: self.counts.of("extract.images_forbidden"),
            languages: map(&self.kept, "language."),
        }
    }
}

fn keys(bands: &str) -> impl Iterator<Item = u64> + '_ {
    let digits = bands.as_bytes().chunks_exact(16).take(BANDS);
    digits.map_while(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
}

/// What became of the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card {
    /// The number of shards.
    pub shards: u64,
    /// The archives' records by type.
    pub records: BTreeMap<String, u64>,
    /// Damage of the archives by kind.
    pub damage: BTreeMap<String, u64>,
    /// The stages that drop pages.
    pub stages: [Stage; 4],
    /// The clusters of near duplicates, of more than one page.
    pub clusters: u64,
    /// The pages that were dropped because another one of their cluster stays.
    pub duplicates: u64,
    /// The pages of the data set.
    pub pages: u64,
    /// The characters of their texts.
    pub characters: u64,
    /// Their images with texts.
    pub images: u64,
    /// The images of pages that forbid their use.
    pub images_forbidden: u64,
    /// The pages of the data set by language (ISO 639-3).
    pub languages: BTreeMap<String, u64>,
}

/// What one stage did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// The stage's name.
    pub name: &'static str,
    /// The pages that it kept.
    pub kept: u64,
    /// The pages that it dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
}

impl Card {
    /// The card as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let text =
            serde_json::to_string_pretty(self).expect("texts and numbers are written to memory");
        text + "\n"
    }

    /// The card as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Data set card\n\n");
        let mut line = |line: String| writeln!(text, "{line}").expect("memory");
        line(format!(
            "{} pages with {} characters and {} images with texts, in {} languages, from {} shards.\n",
            self.pages,
            self.characters,
            self.images,
            self.languages.len(),
            self.shards
        ));
        line("| stage | kept | dropped | reason |\n| --- | ---: | ---: | --- |".into());
        for Stage {
            name,
            kept,
            dropped,
        } in &self.stages
        {
            line(format!(
                "| {name} | {kept} | {} | |",
                dropped.values().sum::<u64>()
            ));
            for (reason, count) in dropped {
                line(format!("| | | {count} | {} |", code(reason)));
            }
        }
        line(format!(
            "| join | {} | {} | `near_duplicate`, of {} clusters |",
            self.pages, self.duplicates, self.clusters
        ));
        line(format!(
            "\nImages whose use their pages forbid: {}.",
            self.images_forbidden
        ));
        for (title, first, counts) in [
            ("Languages", "language", &self.languages),
            ("Records", "type", &self.records),
            ("Damage in the archives", "kind", &self.damage),
        ] {
            if counts.is_empty() {
                continue;
            }
            line(format!(
                "\n## {title}\n\n| {first} | number |\n| --- | ---: |"
            ));
            let mut sorted: Vec<_> = counts.iter().collect();
            sorted.sort_by_key(|(name, count)| (u64::MAX - **count, *name));
            for (name, count) in sorted {
                line(format!("| {} | {count} |", code(name)));
            }
        }
        text
    }
}

/// A name from a shard as code, without what would end the cell or the code.
fn code(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(40)
        .collect();
    format!("`{plain}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str, keys: [u64; BANDS]) -> Page {
        let bands = keys.map(|key| format!("{key:016x}")).concat();
        Page {
            url: url.into(),
            text: "Text.".into(),
            language: "eng".into(),
            bands,
            ..Page::default()
        }
    }

    fn keys_from(start: u64) -> [u64; BANDS] {
        core::array::from_fn(|band| start + band as u64)
    }

    fn shard(pages: Vec<Page>) -> Pages {
        Pages {
            pages,
            counts: Counts::default(),
        }
    }

    #[test]
    fn near_duplicates_are_found_across_shards_and_by_way_of_others() {
        let (a, mut b, mut c, d) = (
            keys_from(0),
            keys_from(1000),
            keys_from(2000),
            keys_from(3000),
        );
        // a and c have no band in common, but both share one with b, which comes last.
        b[3] = a[3];
        b[5] = 77;
        c[5] = 77;
        let shards = [
            shard(vec![page("a", a), page("c", c)]),
            shard(vec![page("d", d), page("b", b)]),
        ];
        let mut join = Join::default();
        shards.iter().for_each(|shard| join.add(shard));
        let kept: Vec<Page> = shards
            .into_iter()
            .flat_map(|shard| join.keep(shard))
            .collect();
        let urls: Vec<_> = kept.iter().map(|page| &page.url[..]).collect();
        assert_eq!(urls, ["a", "d"]);
        assert!(kept.iter().all(|page| page.bands.is_empty()));
        let card = join.card();
        assert_eq!((card.clusters, card.duplicates, card.pages), (1, 2, 2));
        assert_eq!(card.languages, BTreeMap::from([("eng".into(), 2)]));
    }

    #[test]
    fn equal_keys_of_different_bands_are_no_match() {
        let mut join = Join::default();
        let reversed = core::array::from_fn(|band| (BANDS - band) as u64);
        join.add(&shard(vec![
            page("a", core::array::from_fn(|band| band as u64)),
            page("b", reversed),
        ]));
        // Band 7 has the key 7 in both.
        assert_eq!(join.card().duplicates, 1);
        let mut join = Join::default();
        join.add(&shard(vec![
            page("a", keys_from(0)),
            page("b", keys_from(1)),
        ]));
        assert_eq!(join.card().duplicates, 0);
    }

    #[test]
    fn a_signature_that_cannot_be_read_is_in_no_cluster() {
        let mut join = Join::default();
        let broken = |url: &str, bands: &str| Page {
            bands: bands.into(),
            ..page(url, keys_from(0))
        };
        join.add(&shard(vec![
            broken("a", "not hexadecimal"),
            broken("b", "ü".repeat(112).as_str()),
            broken("c", ""),
        ]));
        assert_eq!(join.card().duplicates, 0);
    }

    #[test]
    fn nothing_from_a_shard_becomes_markup() {
        let mut counts = Counts::default();
        counts.add("extract.archive.|<script>`");
        let mut join = Join::default();
        join.add(&Pages {
            pages: Vec::new(),
            counts,
        });
        let text = join.card().markdown();
        assert!(text.contains("| `script` | 1 |"), "{text}");
    }
}
