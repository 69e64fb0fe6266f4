//! The five stages of a project.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A stage of processing, `a` to `e`: the output of one is the input of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The first stage, always enabled. Its input is what the project's owner imported.
    A,
    /// The second stage.
    B,
    /// The third stage.
    C,
    /// The fourth stage.
    D,
    /// The fifth and last stage.
    E,
}

/// The error for text that names no stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageError(
    /// The invalid text.
    pub String,
);

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Invalid worker stage: '{}'. Choose from 'a'/'b'/'c'/'d'/'e'.",
            self.0
        )
    }
}

impl core::error::Error for StageError {}

impl Stage {
    /// All stages, in processing order.
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::D, Self::E];

    /// The letter used on the wire.
    #[must_use]
    pub fn letter(self) -> &'static str {
        ["a", "b", "c", "d", "e"][self.index()]
    }

    /// The position of the stage: 0 for `a` to 4 for `e`.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The stage that receives this one's output, or `None` after `e`.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self.index() + 1).copied()
    }

    /// The stage whose output this one receives, or `None` before `a`.
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        self.index().checked_sub(1).map(|i| Self::ALL[i])
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

impl core::str::FromStr for Stage {
    type Err = StageError;

    /// Accepts exactly one of the five lowercase letters; `A` is not `a`.
    fn from_str(text: &str) -> Result<Self, StageError> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.letter() == text)
            .ok_or_else(|| StageError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_five_small_letters_are_stages() {
        assert_eq!("c".parse(), Ok(Stage::C));
        for text in ["A", "f", "", "aa", " a"] {
            assert_eq!(text.parse::<Stage>(), Err(StageError(text.to_owned())));
        }
    }

    #[test]
    fn stages_follow_each_other() {
        assert_eq!(Stage::A.next(), Some(Stage::B));
        assert_eq!(Stage::E.next(), None);
        assert_eq!(Stage::B.previous(), Some(Stage::A));
        assert_eq!(Stage::A.previous(), None);
    }
}
