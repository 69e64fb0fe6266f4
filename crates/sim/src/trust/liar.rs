//! The kinds of liars.

use crate::random::Rng;

/// The output of an honest execution.
pub(crate) const RIGHT: u32 = 0;

/// The wrong outputs of cliques are above this, and those of liars that act alone above [`ALONE`].
const CLIQUES: u32 = 1;
const ALONE: u32 = 1_000_000;

/// How often liars that help each other lie.
const TOGETHER: f64 = 0.05;

/// How many honest results [`Liar::Sleeper`] hands in first.
const SLEEPS: u32 = 20;

/// How many honest results [`Liar::HitAndLeave`] hands in first, and how many wrong ones then.
const WORKS: u32 = 40;
const HITS: u32 = 10;

/// How somebody lies. Each comes back under a new key as soon as its old one is on hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Liar {
    /// Every output is wrong.
    Rubbish,
    /// This share of the outputs is wrong.
    Sometimes(f64),
    /// The same, but never in a job that one of them has executed before, which they tell each other: it is a check.
    /// The number of a job tells nothing else, because jobs are begun in a random order.
    Careful(f64),
    /// The outputs are right until the liar could be established, and wrong from then on.
    Sleeper,
    /// The outputs are right for longer, then some are wrong, and the liar leaves.
    HitAndLeave,
    /// The members confirm each other's wrong outputs. Two of the same number are one clique.
    Clique(u32),
    /// Every input is called invalid. No flag confirms another one: the input is made again by somebody else and
    /// compared, so that in this model a flag is an output with which nobody agrees.
    Flagger,
    /// [`Liar::Rubbish`] at twenty times the speed of others.
    Fast,
}

impl Liar {
    /// All kinds that lie on their own or in pairs, at the usual speed.
    #[must_use]
    pub fn all() -> [Self; 10] {
        [
            Self::Rubbish,
            Self::Sometimes(0.01),
            Self::Clique(0),
            Self::Clique(0),
            Self::Sometimes(0.02),
            Self::Sleeper,
            Self::Sometimes(0.05),
            Self::HitAndLeave,
            Self::Sometimes(0.1),
            Self::Flagger,
        ]
    }

    /// How many jobs it executes in a round.
    pub(crate) fn speed(self) -> usize {
        if self == Self::Fast { 20 } else { 1 }
    }

    /// Whether an output is one that it would confirm.
    pub(crate) fn knows(self, output: u32) -> bool {
        matches!(self, Self::Clique(number) if output == CLIQUES + number)
    }

    /// Whether it leaves after so many executions.
    pub(crate) fn leaves(self, done: u32) -> bool {
        self == Self::HitAndLeave && done >= WORKS + HITS
    }

    /// The output for a job after `done` executions. `others` are the outputs of others for it, `is_check` is whether
    /// the liars know that there are any.
    pub(crate) fn output(self, done: u32, others: &[u32], is_check: bool, random: &mut Rng) -> u32 {
        let lies = match self {
            Self::Rubbish | Self::Fast | Self::Flagger => true,
            Self::Sometimes(share) => random.next_f64() < share,
            Self::Careful(share) => !is_check && random.next_f64() < share,
            Self::Sleeper => done >= SLEEPS,
            Self::HitAndLeave => done >= WORKS,
            Self::Clique(number) => {
                others.contains(&(CLIQUES + number)) || random.next_f64() < TOGETHER
            }
        };
        match self {
            _ if !lies => RIGHT,
            Self::Clique(number) => CLIQUES + number,
            // No two liars that act alone say the same.
            _ => ALONE + (random.next_u64() >> 33) as u32,
        }
    }
}
