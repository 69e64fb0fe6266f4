//! How much of a file system is kept free.

use std::{fmt, str::FromStr};

/// A share of a file system is never less than this.
const LEAST: u64 = 1 << 30;

/// How much of a file system is kept free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepFree {
    /// So many bytes.
    Bytes(u64),
    /// So many percent of its size, and 1 GiB at least.
    Percent(u8),
}

impl Default for KeepFree {
    fn default() -> Self {
        Self::Percent(5)
    }
}

impl KeepFree {
    /// The bytes that are kept free of a file system of this size.
    #[must_use]
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(share) => (total / 100).saturating_mul(share.into()).max(LEAST),
        }
    }

    /// Whether this many bytes may be written, if so many are free and so many others are on their way.
    #[must_use]
    pub fn leaves_room(self, total: u64, free: u64, coming: u64, bytes: u64) -> bool {
        match self {
            Self::Bytes(0) => true,
            _ => free.saturating_sub(coming).saturating_sub(bytes) >= self.of(total),
        }
    }

    /// The same for what takes the place of as many bytes soon: half of the reserve is for it, so that what
    /// has filled the disk otherwise can be finished.
    #[must_use]
    pub fn leaves_room_for_a_while(self, total: u64, free: u64, coming: u64, bytes: u64) -> bool {
        let half = Self::Bytes(self.of(total).div_ceil(2));
        half.leaves_room(total, free, coming, bytes)
    }
}

impl FromStr for KeepFree {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "files_keep_free is {text:?}; it must be a number of bytes, or a share of the disk of at \
                 most 99 percent, such as 5%."
            )
        };
        match text.strip_suffix('%') {
            Some(share) => {
                let share = share.parse().ok().filter(|share| *share <= 99);
                share.map(Self::Percent).ok_or_else(wrong)
            }
            None => text.parse().map(Self::Bytes).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for KeepFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn it_is_bytes_or_a_share_and_a_share_is_a_gibibyte_at_least() {
        assert_eq!("5%".parse(), Ok(KeepFree::default()));
        assert_eq!("7".parse(), Ok(KeepFree::Bytes(7)));
        for wrong in ["", "%", "100%", "-1", "5 %", "1G", "1.5%", "256%"] {
            assert!(wrong.parse::<KeepFree>().is_err(), "{wrong}");
        }
        let share = KeepFree::default();
        assert_eq!(share.of(10 * GIB), GIB);
        assert_eq!(share.of(100 * GIB), (100 * GIB / 100) * 5);
        assert_eq!(KeepFree::Bytes(3).of(100 * GIB), 3);
        for text in ["5%", "0", "123"] {
            assert_eq!(text.parse::<KeepFree>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_on_its_way_is_not_free() {
        let keep = KeepFree::Bytes(100);
        assert!(keep.leaves_room(1_000, 200, 40, 60));
        assert!(!keep.leaves_room(1_000, 200, 41, 60));
        assert!(!keep.leaves_room(1_000, 50, 0, 0), "it is nearly full");
        assert!(!keep.leaves_room(1_000, 200, u64::MAX, u64::MAX));
        assert!(KeepFree::Bytes(0).leaves_room(1_000, 0, 9, 9), "no limit");
        assert!(keep.leaves_room_for_a_while(1_000, 100, 20, 30));
        assert!(!keep.leaves_room_for_a_while(1_000, 100, 20, 31));
        assert!(KeepFree::Bytes(0).leaves_room_for_a_while(1_000, 0, 9, 9));
    }
}
