//! What entitles to a file's bytes, as texts that carry all that is known of it and are authenticated
//! with a secret of the database: uploads, the addresses of their parts, and the addresses of files.
//! Nothing is stored for them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::hmac;

use crate::clock::Millis;

/// How long an upload can be continued.
pub const UPLOAD_LASTS: Millis = 86_400_000;

/// How long the address of a part is valid.
pub const PART_LASTS: Millis = 3_600_000;

/// The least time for which the address of a file is valid, in addition to a lease.
const FILE_LASTS: Millis = 3_600_000;

/// The end of addresses of files is rounded up to a multiple of this, so that a browser that is given
/// the same file again within this time finds it in its cache.
const FILE_STEP: Millis = 600_000;

/// Half of the HMAC is as hard to guess.
const TAG: usize = 16;

/// The largest number of parts of one file.
const MOST_PARTS: u64 = 1 << 20;

/// An upload of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The lease for which it was begun; 0: it is the owner's.
    pub lease: i64,
    /// The job of the lease; 0: none.
    pub job: i64,
    /// The size of the file.
    pub bytes: u64,
    /// When it ends.
    pub until: Millis,
    /// A random number, which makes its place in the store its own.
    pub id: u128,
    /// The media type, if the client named one.
    pub kind: Option<String>,
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is not from this database.
    Forged,
    /// It has expired.
    Expired,
}

const PLAIN: usize = 5 * 8 + 8;

impl Upload {
    /// The text that identifies the upload.
    #[must_use]
    pub fn sign(&self, secret: &hmac::Key) -> String {
        let mut bytes = Vec::with_capacity(PLAIN + TAG + 64);
        bytes.extend_from_slice(&self.lease.to_be_bytes());
        bytes.extend_from_slice(&self.job.to_be_bytes());
        bytes.extend_from_slice(&self.bytes.to_be_bytes());
        bytes.extend_from_slice(&self.until.to_be_bytes());
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(self.kind.as_deref().unwrap_or_default().as_bytes());
        let tag = tag(secret, "upload", &bytes);
        bytes.extend_from_slice(&tag);
        BASE64.encode(bytes)
    }

    /// Reads such a text.
    ///
    /// # Errors
    /// Returns an error if it is not from this database, or has expired.
    pub fn read(secret: &hmac::Key, text: &str, now: Millis) -> Result<Self, Refusal> {
        // The length is checked first, so that nothing large is decoded.
        if text.len() > 4 * (PLAIN + TAG + 128) / 3 {
            return Err(Refusal::Forged);
        }
        let upload = BASE64
            .decode(text)
            .ok()
            .and_then(|bytes| Self::verified(secret, &bytes))
            .ok_or(Refusal::Forged)?;
        if is_over(upload.until, UPLOAD_LASTS, now) {
            return Err(Refusal::Expired);
        }
        Ok(upload)
    }

    fn verified(secret: &hmac::Key, bytes: &[u8]) -> Option<Self> {
        let (plain, given) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        is_same(&tag(secret, "upload", plain), given).then_some(())?;
        let (numbers, kind) = plain.split_at_checked(PLAIN)?;
        let number = |at: usize| numbers.get(at * 8..at * 8 + 8)?.try_into().ok();
        let kind = std::str::from_utf8(kind).ok()?;
        Some(Self {
            lease: i64::from_be_bytes(number(0)?),
            job: i64::from_be_bytes(number(1)?),
            bytes: u64::from_be_bytes(number(2)?),
            until: i64::from_be_bytes(number(3)?),
            id: u128::from_be_bytes(numbers.get(32..48)?.try_into().ok()?),
            kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        })
    }

    /// The name of its place in the store: digits alone.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{:032x}", self.id)
    }
}

/// How a file is cut into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The size of the file.
    pub bytes: u64,
    /// The size of each part but the last one.
    pub part: u64,
}

impl Cut {
    /// How many parts there are: at least one.
    #[must_use]
    pub fn parts(self) -> u32 {
        let parts = self.bytes.div_ceil(self.part.max(1)).clamp(1, MOST_PARTS);
        u32::try_from(parts).unwrap_or(u32::MAX)
    }

    /// The size of a part; `None` if there is no such part.
    #[must_use]
    pub fn size(self, number: u32) -> Option<u64> {
        if number >= self.parts() {
            return None;
        }
        let begin = u64::from(number) * self.part;
        Some(self.bytes.saturating_sub(begin).min(self.part))
    }

    /// The largest file that can be cut so.
    #[must_use]
    pub fn most(part: u64) -> u64 {
        part.saturating_mul(MOST_PARTS)
    }
}

/// The address of a part, as far as it is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The place of the upload in the store.
    pub upload: String,
    /// The part.
    pub number: u32,
    /// Its exact size.
    pub bytes: u64,
    /// When the address ends.
    pub until: Millis,
}

impl Part {
    /// The query of the address.
    #[must_use]
    pub fn query(&self, secret: &hmac::Key) -> String {
        let plain = self.plain();
        let signature = BASE64.encode(tag(secret, "part", plain.as_bytes()));
        format!("{plain}&signature={signature}")
    }

    /// Checks the signature of an address, and that it has not expired.
    ///
    /// # Errors
    /// Returns an error if it is not from this database, or has expired.
    pub fn check(&self, secret: &hmac::Key, signature: &str, now: Millis) -> Result<(), Refusal> {
        verify(secret, "part", &self.plain(), signature)?;
        if is_over(self.until, PART_LASTS, now) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    fn plain(&self) -> String {
        let Self {
            upload,
            number,
            bytes,
            until,
        } = self;
        format!("upload={upload}&number={number}&bytes={bytes}&until={until}")
    }
}

/// When the address of a file ends that is handed out now with a lease of this length.
#[must_use]
pub fn file_until(now: Millis, lease_s: u32) -> Millis {
    let least = now + FILE_LASTS + i64::from(lease_s) * 1_000;
    least.div_euclid(FILE_STEP).saturating_add(1) * FILE_STEP
}

/// The query of the address of a file.
#[must_use]
pub fn file_query(secret: &hmac::Key, file: &str, until: Millis) -> String {
    let signature = BASE64.encode(tag(secret, "file", file_plain(file, until).as_bytes()));
    format!("until={until}&signature={signature}")
}

/// Checks the address of a file.
///
/// # Errors
/// Returns an error if it is not from this database, or has expired.
pub fn check_file(
    secret: &hmac::Key,
    file: &str,
    until: Millis,
    signature: &str,
    now: Millis,
) -> Result<(), Refusal> {
    verify(secret, "file", &file_plain(file, until), signature)?;
    if now >= until {
        return Err(Refusal::Expired);
    }
    Ok(())
}

fn file_plain(file: &str, until: Millis) -> String {
    format!("{file}\n{until}")
}

/// By how much the clocks of trackers on one database may differ.
pub const CLOCKS_DIFFER: Millis = 600_000;

/// Whether a time has come. If far more than the whole time is left, the clock was set back.
fn is_over(until: Millis, lasts: Millis, now: Millis) -> bool {
    now >= until || until - now > lasts + CLOCKS_DIFFER
}

fn verify(secret: &hmac::Key, what: &str, plain: &str, signature: &str) -> Result<(), Refusal> {
    let given = Some(signature).filter(|text| text.len() == (TAG * 4).div_ceil(3));
    let given = given.and_then(|text| BASE64.decode(text).ok());
    match given {
        Some(given) if is_same(&tag(secret, what, plain.as_bytes()), &given) => Ok(()),
        _ => Err(Refusal::Forged),
    }
}

/// The authentication of a text. `what` separates the kinds, so that none passes for another.
fn tag(secret: &hmac::Key, what: &str, plain: &[u8]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(secret);
    context.update(what.as_bytes());
    context.update(b"\n");
    context.update(plain);
    let whole = context.sign();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&whole.as_ref()[..TAG]);
    tag
}

fn is_same(tag: &[u8; TAG], given: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    bool::from(tag.ct_eq(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_795_440_000_000;

    fn secrets() -> [hmac::Key; 2] {
        [[1; 32], [2; 32]].map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    fn upload() -> Upload {
        Upload {
            lease: 7,
            job: 3,
            bytes: 5 << 20,
            until: NOW + UPLOAD_LASTS,
            id: u128::MAX / 5,
            kind: Some("image/png".to_owned()),
        }
    }

    #[test]
    fn an_upload_is_read_again_until_it_ends_and_with_its_own_secret_alone() {
        let [secret, other] = secrets();
        for kind in [None, Some("x".repeat(127))] {
            let upload = Upload { kind, ..upload() };
            let text = upload.sign(&secret);
            assert_eq!(Upload::read(&secret, &text, NOW), Ok(upload.clone()));
            assert_eq!(Upload::read(&other, &text, NOW), Err(Refusal::Forged));
            let late = Upload::read(&secret, &text, upload.until);
            assert_eq!(late, Err(Refusal::Expired));
            let behind = Upload::read(&secret, &text, NOW - CLOCKS_DIFFER);
            assert_eq!(behind, Ok(upload), "a tracker whose clock is behind");
            let back = Upload::read(&secret, &text, NOW - CLOCKS_DIFFER - 1);
            assert_eq!(back, Err(Refusal::Expired), "the clock was set back");
        }
        let text = upload().sign(&secret);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            // The last character may have bits that mean nothing; the decoder refuses them too.
            assert!(Upload::read(&secret, &forged, NOW).is_err(), "{at}");
        }
        for text in ["", "A", "a b", &"A".repeat(64), &"A".repeat(100_000)] {
            assert_eq!(Upload::read(&secret, text, NOW), Err(Refusal::Forged));
        }
        assert_eq!(upload().place().len(), 32);
    }

    #[test]
    fn the_address_of_a_part_holds_for_this_part_alone() {
        let [secret, other] = secrets();
        let part = Part {
            upload: upload().place(),
            number: 3,
            bytes: 99,
            until: NOW + PART_LASTS,
        };
        let query = part.query(&secret);
        let signature = query.split_once("&signature=").expect("a signature").1;
        assert_eq!(part.check(&secret, signature, NOW), Ok(()));
        assert_eq!(part.check(&other, signature, NOW), Err(Refusal::Forged));
        let expired = part.check(&secret, signature, part.until);
        assert_eq!(expired, Err(Refusal::Expired));
        for changed in [
            Part {
                number: 4,
                ..part.clone()
            },
            Part {
                bytes: 100,
                ..part.clone()
            },
            Part {
                until: part.until + 1,
                ..part.clone()
            },
            Part {
                upload: "0".repeat(32),
                ..part.clone()
            },
        ] {
            assert_eq!(changed.check(&secret, signature, NOW), Err(Refusal::Forged));
        }
        for signature in ["", "x", &"A".repeat(22)] {
            assert_eq!(part.check(&secret, signature, NOW), Err(Refusal::Forged));
        }
    }

    #[test]
    fn the_address_of_a_file_stays_the_same_for_ten_minutes_and_lasts_an_hour_and_a_lease() {
        let [secret, other] = secrets();
        let file = "sha256-0";
        let until = file_until(NOW, 300);
        assert!((NOW + 3_900_000..=NOW + 3_900_000 + FILE_STEP).contains(&until));
        assert_eq!(file_until(NOW + 1, 300) % FILE_STEP, 0);
        let query = file_query(&secret, file, until);
        let signature = query.split_once("&signature=").expect("a signature").1;
        let check = |secret, file, until, now| check_file(secret, file, until, signature, now);
        assert_eq!(check(&secret, file, until, NOW), Ok(()));
        assert_eq!(check(&secret, file, until, until), Err(Refusal::Expired));
        assert_eq!(check(&secret, file, until + 1, NOW), Err(Refusal::Forged));
        assert_eq!(check(&secret, "sha256-1", until, NOW), Err(Refusal::Forged));
        assert_eq!(check(&other, file, until, NOW), Err(Refusal::Forged));
    }

    #[test]
    fn a_file_is_cut_into_whole_parts_and_a_rest() {
        let sizes = |bytes| {
            let cut = Cut { bytes, part: 4 };
            let sizes: Vec<_> = (0..cut.parts()).map(|at| cut.size(at)).collect();
            assert_eq!(cut.size(cut.parts()), None);
            sizes.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(sizes(0), [0]);
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(4), [4]);
        assert_eq!(sizes(5), [4, 1]);
        assert_eq!(sizes(8), [4, 4]);
    }
}
