//! Uploads that have begun and are not finished, as far as one tracker knows them: how many bytes they
//! may become together, those of a lease and all of them.
//!
//! An upload counts with the size that was announced, because what has begun may go on to its end.

use std::collections::HashMap;

use crate::{
    clock::Millis,
    rules::file_grants::{CLOCKS_DIFFER, PART_LASTS, UPLOAD_LASTS, Upload},
};

/// How long an upload counts of which nothing has come: as long as the addresses of its parts are valid.
const ANNOUNCED: Millis = PART_LASTS + CLOCKS_DIFFER;

/// How long one counts of which something has come: until a sweep has deleted it.
const BEGUN: Millis = UPLOAD_LASTS + 2 * 3_600_000;

/// Those that have ended are removed this often.
const CLEANED: Millis = 60_000;

/// The least that an upload counts: it takes a folder and a file of the disk.
pub const LEAST_COUNTED: u64 = 65_536;

/// How many uploads of a lease may be unfinished.
const MOST_OF_LEASE: u32 = 4_096;

/// How many bytes may be unfinished; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of a lease.
    pub lease: u64,
    /// Of all.
    pub all: u64,
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The uploads of this lease.
    Lease,
    /// All uploads.
    All,
}

/// The uploads that are not finished.
#[derive(Debug, Default)]
pub struct Unfinished {
    uploads: HashMap<u128, Begun>,
    leases: HashMap<i64, OfLease>,
    /// What was found in the store and is not in `uploads`: of an earlier process, or of another tracker.
    found: HashMap<u128, u64>,
    bytes: u64,
    cleaned: Millis,
}

#[derive(Debug)]
struct Begun {
    lease: i64,
    /// As announced, and as it counts among all.
    bytes: u64,
    counted: u64,
    until: Millis,
}

#[derive(Debug, Default)]
struct OfLease {
    uploads: u32,
    bytes: u64,
}

impl Unfinished {
    /// How many bytes they have together, as announced.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts an upload from its beginning on, or when it goes on. The owner's neither count nor are
    /// limited.
    ///
    /// # Errors
    /// Returns what is full.
    pub fn enter(&mut self, upload: &Upload, caps: Caps, now: Millis) -> Result<(), Over> {
        self.clean(now);
        let until = now + ANNOUNCED;
        if let Some(begun) = self.uploads.get_mut(&upload.id) {
            begun.until = begun.until.max(until);
            return Ok(());
        }
        let counted = match upload.lease {
            0 => 0,
            _ => upload.bytes.max(LEAST_COUNTED),
        };
        // Its parts may have been found in the store: then it goes on, and counts once.
        let found = self.found.get(&upload.id).copied();
        let others = self.bytes.saturating_sub(found.unwrap_or(0));
        if upload.lease != 0 {
            let of_lease = self.leases.get(&upload.lease);
            let is_full = of_lease.is_some_and(|of| {
                of.uploads >= MOST_OF_LEASE
                    || caps.lease > 0 && of.bytes.saturating_add(upload.bytes) > caps.lease
            });
            if is_full {
                return Err(Over::Lease);
            }
            if caps.all > 0 && found.is_none() && others.saturating_add(counted) > caps.all {
                return Err(Over::All);
            }
        }
        self.found.remove(&upload.id);
        self.bytes = others.saturating_add(counted);
        let of_lease = self.leases.entry(upload.lease).or_default();
        of_lease.uploads += 1;
        of_lease.bytes = of_lease.bytes.saturating_add(upload.bytes);
        let begun = Begun {
            lease: upload.lease,
            bytes: upload.bytes,
            counted,
            until,
        };
        self.uploads.insert(upload.id, begun);
        Ok(())
    }

    /// A part of an upload has come, and stays until the upload is deleted.
    pub fn came(&mut self, id: u128, now: Millis) {
        if let Some(begun) = self.uploads.get_mut(&id) {
            begun.until = begun.until.max(now + BEGUN);
        }
    }

    /// An upload is finished, or deleted. Returns whether it was known.
    pub fn leave(&mut self, id: u128) -> bool {
        let found = self.found.remove(&id);
        self.bytes = self.bytes.saturating_sub(found.unwrap_or(0));
        let begun = self.uploads.remove(&id);
        if let Some(begun) = &begun {
            self.forget(begun);
        }
        found.is_some() || begun.is_some()
    }

    /// What a sweep has found in the store, by upload. It takes the place of what was found before.
    pub fn find(&mut self, found: HashMap<u128, u64>) {
        let all: u64 = self.found.values().sum();
        self.bytes = self.bytes.saturating_sub(all);
        self.found = found;
        self.found.retain(|id, _| !self.uploads.contains_key(id));
        for bytes in self.found.values_mut() {
            *bytes = (*bytes).max(LEAST_COUNTED);
            self.bytes = self.bytes.saturating_add(*bytes);
        }
    }

    fn clean(&mut self, now: Millis) {
        // The clock may have been set back.
        if (now - self.cleaned).abs() < CLEANED {
            return;
        }
        self.cleaned = now;
        let over = self.uploads.extract_if(|_, begun| begun.until <= now);
        for (_, begun) in over.collect::<Vec<_>>() {
            self.forget(&begun);
        }
    }

    fn forget(&mut self, begun: &Begun) {
        self.bytes = self.bytes.saturating_sub(begun.counted);
        if let Some(of_lease) = self.leases.get_mut(&begun.lease) {
            of_lease.uploads = of_lease.uploads.saturating_sub(1);
            of_lease.bytes = of_lease.bytes.saturating_sub(begun.bytes);
            if of_lease.uploads == 0 {
                self.leases.remove(&begun.lease);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_795_440_000_000;
    const MIB: u64 = 1 << 20;
    const CAPS: Caps = Caps {
        lease: 4 * MIB,
        all: 10 * MIB,
    };

    fn upload(id: u128, lease: i64, bytes: u64) -> Upload {
        Upload {
            lease,
            job: lease,
            bytes,
            until: NOW + UPLOAD_LASTS,
            id,
            kind: None,
        }
    }

    #[test]
    fn a_lease_and_all_have_their_caps_and_what_is_finished_counts_no_more() {
        let mut all = Unfinished::default();
        for id in 0..4 {
            assert_eq!(all.enter(&upload(id, 1, MIB), CAPS, NOW), Ok(()));
        }
        let fifth = upload(4, 1, 1);
        assert_eq!(all.enter(&fifth, CAPS, NOW), Err(Over::Lease));
        assert_eq!(
            all.enter(&upload(3, 1, MIB), CAPS, NOW),
            Ok(()),
            "it goes on"
        );
        assert_eq!(all.enter(&upload(5, 2, 4 * MIB), CAPS, NOW), Ok(()));
        assert_eq!(all.bytes(), 8 * MIB);
        let large = upload(6, 3, 2 * MIB + 1);
        assert_eq!(all.enter(&large, CAPS, NOW), Err(Over::All));
        let owners = upload(7, 0, 99 * MIB);
        assert_eq!(all.enter(&owners, CAPS, NOW), Ok(()), "no limit");
        assert_eq!(all.bytes(), 8 * MIB);
        assert!(all.leave(7) && !all.leave(7) && all.leave(3));
        assert_eq!(all.bytes(), 7 * MIB);
        assert_eq!(all.enter(&fifth, CAPS, NOW), Ok(()));
        let any = Caps { lease: 0, all: 0 };
        assert_eq!(all.enter(&upload(8, 1, u64::MAX), any, NOW), Ok(()));
        assert_eq!(all.bytes(), u64::MAX);
    }

    #[test]
    fn small_ones_count_as_what_they_take_and_there_are_not_any_number() {
        let mut all = Unfinished::default();
        assert_eq!(all.enter(&upload(0, 1, 0), CAPS, NOW), Ok(()));
        assert_eq!(all.bytes(), LEAST_COUNTED);
        let any = Caps { lease: 0, all: 0 };
        for id in 1..u128::from(MOST_OF_LEASE) {
            assert_eq!(all.enter(&upload(id, 1, 0), any, NOW), Ok(()));
        }
        let more = upload(u128::MAX, 1, 0);
        assert_eq!(all.enter(&more, any, NOW), Err(Over::Lease));
    }

    #[test]
    fn what_was_only_announced_counts_as_long_as_its_addresses_are_valid() {
        let mut all = Unfinished::default();
        assert_eq!(all.enter(&upload(0, 1, 3 * MIB), CAPS, NOW), Ok(()));
        assert_eq!(all.enter(&upload(1, 2, 3 * MIB), CAPS, NOW), Ok(()));
        all.came(1, NOW);
        let (mut later, other) = (NOW + PART_LASTS, upload(2, 1, 2 * MIB));
        assert_eq!(all.enter(&other, CAPS, later), Err(Over::Lease));
        later = NOW + ANNOUNCED;
        assert_eq!(all.enter(&other, CAPS, later), Ok(()));
        assert_eq!(all.bytes(), 5 * MIB);
        later = NOW + BEGUN;
        assert_eq!(all.enter(&upload(3, 4, MIB), CAPS, later), Ok(()));
        assert_eq!(all.bytes(), MIB);
        assert_eq!(all.leases.len(), 1);
    }

    #[test]
    fn what_is_found_in_the_store_counts_until_it_goes_on_or_is_gone() {
        let mut all = Unfinished::default();
        all.find(HashMap::from([(1, 9 * MIB), (2, 1)]));
        assert_eq!(all.bytes(), 9 * MIB + LEAST_COUNTED);
        let new = upload(3, 1, MIB);
        assert_eq!(all.enter(&new, CAPS, NOW), Err(Over::All));
        // One that goes on has been admitted before.
        assert_eq!(all.enter(&upload(1, 2, 4 * MIB), CAPS, NOW), Ok(()));
        assert_eq!(all.bytes(), 4 * MIB + LEAST_COUNTED);
        all.find(HashMap::from([(1, 3 * MIB), (4, MIB)]));
        assert_eq!(all.bytes(), 5 * MIB);
        assert!(all.leave(4) && all.leave(1));
        assert_eq!(all.bytes(), 0);
    }
}
