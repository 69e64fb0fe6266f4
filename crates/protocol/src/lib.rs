//! The job protocol between client and tracker: wire types, error codes and limits.
//!
//! The client and the tracker do not depend on each other; everything that both must agree on is in
//! this crate, which depends on serde alone. Field names are those on the wire (snake_case JSON).
//! The protocol is that of the Python library `distcompute-client`, with extensions that
//! `docs/protocol.md` marks as such.

mod error;
mod files;
mod join_key;
mod payload;
mod project;
mod proof;
mod stage;
mod sync;
mod wire;

pub use error::{ERROR_HEADER, ErrorCode};
pub use files::{
    AskParts, BeginUpload, FILE_MEMBER, FILE_PREFIX, FILE_TYPE, FILES_EXTENSION, FileRef,
    FinishUpload, MAX_FILE_REFS, MAX_FILE_TYPE, MAX_PARTS, PartAddress, UploadBegun,
    UploadChecking, UploadFinished, UploadParts, is_file_name, is_file_type,
};
pub use join_key::{JOIN_KEY_HEADER, JOIN_PATH, is_join_key};
pub use payload::{JSON_MARK, json_part};
pub use project::{
    DisabledStage, EstimateUnknown, ProjectInfo, ResultLine, RetractionLine, SkippedStage,
    StageInfo, StageStatus, StatusInfo,
};
pub use proof::{NONCE_HEADER, PROOF_HEADER};
pub use stage::{Stage, StageError};
pub use sync::{
    Done, Failed, Granted, Invalid, MAX_MESSAGE, MAX_REASON, MAX_SYNC_ITEMS, MAX_SYNC_WANT,
    Progress, Rejected, RejectedWhy, SYNC_EXTENSION, SyncAnswer, SyncRequest,
};
pub use wire::{
    CompleteJob, FlagInvalidData, NewJob, NewWorker, OK_TEXT, ParameterFault, ParameterFaults,
    Registration, TokenBody, UpdateProgress,
};

/// The longest nickname, in characters (Unicode scalar values).
pub const MAX_NICKNAME: usize = 128;

/// The longest progress line, in characters. A tracker truncates longer lines and marks the cut.
pub const MAX_PROGRESS: usize = 255;

/// The nickname of volunteers who have not given one.
pub const ANONYMOUS: &str = "anonymous";

/// Truncates `text` to at most `limit` characters; truncated text ends in `…`.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    // Written for small WebAssembly: `count` and `nth` link code that handles many characters at
    // once, and slicing by index links panic messages.
    let mut end = 0;
    for (count, (begin, _)) in text.char_indices().enumerate() {
        if count == limit {
            let mut kept = text.get(..end).unwrap_or_default().to_owned();
            kept.push_str(if limit == 0 { "" } else { "…" });
            return kept;
        }
        end = begin;
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_within_the_limit_is_left_alone() {
        assert_eq!(cut("ärger", 5), "ärger");
    }

    #[test]
    fn a_longer_text_is_cut_at_a_character_and_marked() {
        assert_eq!(cut("ärgerlich", 5), "ärge…");
        assert_eq!(
            cut(&"x".repeat(300), MAX_PROGRESS).chars().count(),
            MAX_PROGRESS
        );
        assert_eq!(cut("x", 0), "");
    }
}
