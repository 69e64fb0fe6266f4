//! Files of jobs: references in inputs and outputs, and the calls that upload files.
//!
//! A file is named by the SHA-256 of its bytes. `docs/protocol.md` describes the calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name by which a tracker announces support for files in its answer to `new`.
pub const FILES_EXTENSION: &str = "files";

/// What the name of a file begins with; 64 lower-case hexadecimal digits follow.
pub const FILE_PREFIX: &str = "sha256-";

/// The member that makes a JSON object a reference to a file.
pub const FILE_MEMBER: &str = "$file";

/// The type of a file whose reference names none.
pub const FILE_TYPE: &str = "application/octet-stream";

/// The maximum number of references that one input or output may contain.
pub const MAX_FILE_REFS: usize = 4096;

/// The maximum length of [`FileRef::kind`].
pub const MAX_FILE_TYPE: usize = 127;

/// How many parts' addresses one answer contains at most.
pub const MAX_PARTS: usize = 32;

/// A reference to a file, anywhere in the JSON of an input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileRef {
    /// `sha256-` and 64 lower-case hexadecimal digits: the hash of the bytes.
    #[serde(rename = "$file")]
    pub file: String,
    /// The size.
    pub bytes: u64,
    /// The media type. If absent, [`FILE_TYPE`].
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// In inputs that a tracker hands out: an address that can be fetched for at least an hour,
    /// absolute or relative to the tracker's. The tracker removes it from outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Whether a text is the name of a file: [`FILE_PREFIX`] and 64 lower-case hexadecimal digits.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    name.strip_prefix(FILE_PREFIX).is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Whether a text may be the type of a file: 1 to [`MAX_FILE_TYPE`] visible ASCII characters and
/// spaces, without `"` and `\`.
#[must_use]
pub fn is_file_type(kind: &str) -> bool {
    (1..=MAX_FILE_TYPE).contains(&kind.len())
        && kind
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

/// Body of `POST /api/uploads`. The owner sends the admin token in place of `token` and `lease`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BeginUpload {
    /// The worker's secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The lease of the job whose output will name the file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lease: String,
    /// The size of the file.
    pub bytes: u64,
    /// The media type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Answer of `POST /api/uploads`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadBegun {
    /// Identifies the upload in the following calls.
    pub upload: String,
    /// The size of each part but the last one, which has the rest. An empty file has one part of 0
    /// bytes.
    pub part_bytes: u64,
    /// Where the first parts are sent, at most [`MAX_PARTS`] of them.
    pub parts: Vec<PartAddress>,
}

/// Where one part of an upload is sent, by `PUT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartAddress {
    /// The part, counted from 0.
    pub number: u32,
    /// The address, absolute or relative to the tracker's. It is valid for an hour.
    pub url: String,
    /// Headers that the store demands with it; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
}

/// Body of `POST /api/uploads/parts`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AskParts {
    /// The worker's secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The lease for which the upload was begun.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lease: String,
    /// The upload.
    pub upload: String,
    /// The first part whose address is wanted.
    #[serde(default)]
    pub from: u32,
}

/// Answer of `POST /api/uploads/parts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadParts {
    /// The parts that are stored with the right size, in ascending order.
    pub stored: Vec<u32>,
    /// Where further parts are sent: those that are not stored, at most [`MAX_PARTS`] of them.
    pub parts: Vec<PartAddress>,
}

/// Body of `POST /api/uploads/finish`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FinishUpload {
    /// The worker's secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The lease for which the upload was begun.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lease: String,
    /// The upload.
    pub upload: String,
    /// The hash of the whole file: 64 lower-case hexadecimal digits, with or without
    /// [`FILE_PREFIX`].
    pub sha256: String,
}

/// Answer of `POST /api/uploads/finish`, with status 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadFinished {
    /// The reference under which an output may name the file.
    pub file: FileRef,
}

/// Answer of `POST /api/uploads/finish` with status 202: the tracker goes on checking. Send the same
/// again after `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadChecking {
    /// How many bytes of the file are checked.
    pub checked_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_in_small_letters_names_a_file() {
        let name = format!("{FILE_PREFIX}{}", "0123456789abcdef".repeat(4));
        assert!(is_file_name(&name));
        assert!(!is_file_name(&name.to_uppercase()));
        assert!(!is_file_name(&name.replace('a', "A")));
        assert!(!is_file_name(&name[..name.len() - 1]));
        assert!(!is_file_name(&format!("{name}0")));
        assert!(!is_file_name(&name[FILE_PREFIX.len()..]));
        assert!(!is_file_name("sha256-../../../etc/passwd"));
    }

    #[test]
    fn a_type_is_one_line_that_no_quotes_end() {
        assert!(is_file_type("text/html; charset=utf-8"));
        for kind in ["", "a\nb", "a\"b", "a\\b", "ä", &"x".repeat(128)] {
            assert!(!is_file_type(kind), "{kind}");
        }
    }

    #[test]
    fn the_owner_sends_neither_token_nor_lease() {
        let body = BeginUpload {
            bytes: 7,
            ..BeginUpload::default()
        };
        assert_eq!(
            serde_json::to_string(&body).expect("JSON"),
            r#"{"bytes":7}"#
        );
        let file = FileRef {
            file: "sha256-0".to_owned(),
            bytes: 7,
            kind: Some("image/png".to_owned()),
            url: None,
        };
        assert_eq!(
            serde_json::to_string(&file).expect("JSON"),
            r#"{"$file":"sha256-0","bytes":7,"type":"image/png"}"#
        );
    }
}
