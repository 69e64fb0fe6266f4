//! Rules that are broken on purpose.

use crate::trackers;

/// A rule that is broken on purpose, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// A lease is granted for a job that is held.
    GrantTwice,
    /// Syncs are handled in any order.
    ForgetSeq,
    /// Results count twice.
    CountTwice,
    /// A result that cannot be stored is taken for delivered.
    DropWhenFull,
    /// A result is taken under a lease that was given back.
    DeliverGivenBack,
    /// A registration holds as many jobs as it wants.
    AllowAnything,
}

impl Sabotage {
    pub const ALL: [Self; 6] = [
        Self::GrantTwice,
        Self::ForgetSeq,
        Self::CountTwice,
        Self::DropWhenFull,
        Self::DeliverGivenBack,
        Self::AllowAnything,
    ];

    pub(super) fn of_trackers(self) -> Option<trackers::Sabotage> {
        match self {
            Self::GrantTwice => Some(trackers::Sabotage::GrantTwice),
            Self::ForgetSeq => Some(trackers::Sabotage::ForgetSeq),
            Self::CountTwice => Some(trackers::Sabotage::CountTwice),
            Self::DeliverGivenBack => Some(trackers::Sabotage::DeliverGivenBack),
            Self::AllowAnything => Some(trackers::Sabotage::AllowAnything),
            Self::DropWhenFull => None,
        }
    }
}
