//! What a client and a tracker say to each other: wire types, error codes and limits.
//!
//! Serde only. Neither half imports the other; what both must agree on stands here. Field names
//! are those on the wire (snake_case JSON). The protocol is that of the Python library
//! `distcompute-client`, with the additions that `docs/protocol.md` marks as ours.

mod error;
mod payload;
mod project;
mod stage;
mod sync;
mod wire;

pub use error::{ERROR_HEADER, ErrorCode};
pub use payload::{JSON_MARK, json_part};
pub use project::{
    DisabledStage, EstimateUnknown, ProjectInfo, ResultLine, StageInfo, StageStatus, StatusInfo,
};
pub use stage::{Stage, StageError};
pub use sync::{
    Done, Failed, Granted, Invalid, MAX_REASON, MAX_SYNC_ITEMS, MAX_SYNC_WANT, Progress, Rejected,
    RejectedWhy, SYNC_EXTENSION, SyncAnswer, SyncRequest,
};
pub use wire::{
    CompleteJob, FlagInvalidData, NewJob, NewWorker, OK_TEXT, ParameterFault, ParameterFaults,
    Registration, TokenBody, UpdateProgress,
};

/// The longest nickname, in characters (Unicode scalar values).
pub const MAX_NICKNAME: usize = 128;

/// The longest progress line, in characters; a tracker cuts what is longer and marks the cut.
pub const MAX_PROGRESS: usize = 255;

/// Who has not said a name.
pub const ANONYMOUS: &str = "anonymous";

/// Cuts `text` to at most `limit` characters; what was cut ends in `…`.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    // `count` and `nth` link code for many characters at once, and a slice by index what a panic says.
    let mut end = 0;
    for (count, (begin, _)) in text.char_indices().enumerate() {
        if count == limit {
            let kept = text.get(..end).unwrap_or_default();
            return [kept, if limit == 0 { "" } else { "…" }].concat();
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
