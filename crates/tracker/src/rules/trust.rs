//! Which results are checked by another volunteer, and which of several opinions counts.
//!
//! Anybody can take part, so a result may be wrong. A volunteer is believed for what was confirmed of it: at first
//! each of its results waits for a second opinion, and later only a share that falls with every confirmation. Of a
//! volunteer that has survived k checks, a share of at most f / ((1 − f) · k · e) of the results is expected to be
//! wrong, where f is the share of jobs that liars take, however often they lie (L. Sarmenta, "Sabotage-tolerance
//! mechanisms for volunteer computing systems", 2001).
//!
//! `npm run bench -- trust` measures these rules against liars; decision 0026 has the reasons for them, and decision
//! 0027 how the ledger applies them.

use distcompute_protocol::Stage;

use crate::clock::Millis;

/// How many confirmations establish a volunteer, unless the configuration says otherwise.
pub const CONFIRMATIONS: u32 = 20;

/// The share of results that is checked however many were confirmed.
const LEAST_CHECKED: f64 = 0.005;

/// The number of opinions after which a job without a majority is set aside.
pub const MOST_OPINIONS: usize = 5;

/// With fewer volunteers that may confirm, the operator's own worker confirms newcomers.
pub const FEW: i64 = 5;

/// The maximum number of cores that is taken from a client's report, as for what it may hold.
const MOST_CORES: u32 = super::allowance::MOST_CORES as u32;

/// The audits a minute that the configuration may ask for: a worker that lacks jobs asks every two seconds.
pub const MOST_AUDITS: u32 = 30;

/// The number of equal opinions of established volunteers that decides a dispute.
const DECIDING: usize = 2;

/// How the results of a stage are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Every result counts.
    Off,
    /// A volunteer is established after this number of confirmations, and then checked less and less.
    Adaptive {
        /// At least 1.
        confirmations: u32,
    },
    /// A result counts once this number of volunteers have handed in the same.
    Quorum {
        /// At least 1.
        volunteers: usize,
    },
}

/// The fewest and the most equal opinions that a quorum may be. With more than the most, hardly a dispute could be
/// settled before a job has all the opinions that it may have.
const QUORUM: std::ops::RangeInclusive<usize> = 2..=4;

/// The most confirmations that may be asked for.
const MOST_CONFIRMATIONS: u32 = 10_000;

impl Policy {
    /// How many volunteers have to hand in the same for a result to count that is checked.
    #[must_use]
    pub fn needed(self) -> usize {
        match self {
            Self::Off => 0,
            Self::Adaptive { .. } => 2,
            Self::Quorum { volunteers } => volunteers,
        }
    }

    /// With how many confirmed results a volunteer counts among those who share the lane. In a quorum anybody may
    /// confirm, but keys cost nothing, so only those count that have worked.
    #[must_use]
    pub fn confirmations_to_share(self) -> u32 {
        match self {
            Self::Adaptive { confirmations } => confirmations,
            Self::Off | Self::Quorum { .. } => 1,
        }
    }
}

impl std::str::FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, number) = match text.split_once(':') {
            Some((word, number)) => (word, Some(number)),
            None => (text, None),
        };
        let parsed = number.map(str::parse::<u32>);
        match (word, parsed) {
            ("off", None) => Ok(Self::Off),
            ("adaptive", None) => Ok(Self::Adaptive {
                confirmations: CONFIRMATIONS,
            }),
            ("adaptive", Some(Ok(confirmations @ 1..=MOST_CONFIRMATIONS))) => {
                Ok(Self::Adaptive { confirmations })
            }
            ("quorum", Some(Ok(volunteers))) if QUORUM.contains(&(volunteers as usize)) => {
                Ok(Self::Quorum {
                    volunteers: volunteers as usize,
                })
            }
            _ => Err(format!(
                "{text:?} is no way to check results: write off, adaptive, adaptive:{CONFIRMATIONS} with another \
                 number of confirmations up to {MOST_CONFIRMATIONS}, or quorum:N with N from {} to {}.",
                QUORUM.start(),
                QUORUM.end()
            )),
        }
    }
}

/// What the ledger has to know of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// How the results of each stage are checked.
    pub policies: [Policy; 5],
    /// The volunteers that are the operator's own workers.
    pub operators: &'static [String],
    /// The version of the application. Results of different versions are never compared.
    pub version: &'static str,
    /// How many results that count on one word the operator's own worker makes again in a minute, at each stage.
    pub audits_per_minute: u32,
}

impl Trust {
    /// Every result counts.
    pub const OFF: Self = Self {
        policies: [Policy::Off; 5],
        operators: &[],
        version: "",
        audits_per_minute: 0,
    };

    /// How a stage is checked.
    #[must_use]
    pub fn policy(&self, stage: Stage) -> Policy {
        self.policies[stage.index()]
    }

    /// Whether the results of any stage are checked.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.policies.iter().any(|policy| *policy != Policy::Off)
    }

    /// The time between two audits at a stage; `None` if there are none.
    #[must_use]
    pub fn audit_interval(&self) -> Option<Millis> {
        (self.audits_per_minute > 0).then(|| 60_000 / Millis::from(self.audits_per_minute))
    }

    /// Whether a volunteer is one of the operator's own workers.
    #[must_use]
    pub fn is_operator(&self, volunteer: &str) -> bool {
        self.operators.iter().any(|own| own == volunteer)
    }
}

/// What volunteers that have proved to hold a key begin with.
const KEY: &str = "k:";

/// Whether a volunteer has proved to hold a key.
#[must_use]
pub fn is_verified(volunteer: &str) -> bool {
    volunteer.starts_with(KEY)
}

/// The volunteer that holds a key.
#[must_use]
pub fn volunteer_of(thumbprint: &str) -> String {
    format!("{KEY}{thumbprint}")
}

/// Who counts as one where distinct volunteers are needed: a key; and of those without a key all that share an
/// address, whatever their nicknames.
#[must_use]
pub fn identity(volunteer: &str, address_group: &str) -> String {
    if is_verified(volunteer) {
        volunteer.to_owned()
    } else {
        format!("a:{address_group}")
    }
}

/// What is known of a volunteer at one stage and with one version of the handler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Results that another opinion has confirmed.
    pub confirmed: u32,
    /// One of its results was found wrong.
    pub on_hold: bool,
    /// It has proved no key. All that share an address are one then, and are always checked.
    pub unverified: bool,
}

impl Record {
    /// Whether the volunteer's opinion can confirm the result of another one.
    #[must_use]
    pub fn is_established(&self, policy: Policy) -> bool {
        match policy {
            Policy::Adaptive { confirmations } => {
                !self.on_hold && !self.unverified && self.confirmed >= confirmations
            }
            Policy::Off | Policy::Quorum { .. } => false,
        }
    }

    /// Whether the volunteer may give a second opinion.
    #[must_use]
    pub fn may_confirm(&self, policy: Policy) -> bool {
        match policy {
            Policy::Off => false,
            Policy::Adaptive { .. } => self.is_established(policy),
            Policy::Quorum { .. } => !self.on_hold,
        }
    }
}

/// Returns the probability with which a result of the volunteer is checked. It is to be drawn when the result has
/// come, so that nothing about the job tells the volunteer.
#[must_use]
pub fn check_probability(policy: Policy, of: &Record) -> f64 {
    match policy {
        Policy::Off => 0.0,
        Policy::Adaptive { confirmations } if of.is_established(policy) => {
            (f64::from(confirmations) / f64::from(of.confirmed)).clamp(LEAST_CHECKED, 1.0)
        }
        Policy::Adaptive { .. } | Policy::Quorum { .. } => 1.0,
    }
}

/// Returns the number of results that may wait for a second opinion before the volunteer is given no further job.
/// Without a limit, liars that are faster than others would keep all others busy with checking.
#[must_use]
pub fn most_waiting(of: &Record, cores: u32) -> u32 {
    if of.on_hold {
        return 0;
    }
    // Clients may report any number of cores.
    cores
        .min(MOST_CORES)
        .saturating_add(1)
        .max(of.confirmed.saturating_mul(2))
}

/// Whose opinion it is, from the least trusted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voice {
    /// A volunteer that is not established, or on hold.
    Newcomer,
    /// An established volunteer.
    Established,
    /// The worker whose key the configuration names.
    Operator,
}

/// An opinion on a job. Outputs that are equal have the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opinion {
    /// Which of the outputs that were handed in.
    pub output: u32,
    /// Whose.
    pub voice: Voice,
}

/// What the opinions on a job amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another opinion is needed.
    Open {
        /// The opinions differ.
        disputed: bool,
    },
    /// An output counts.
    Settled {
        /// Which one.
        output: u32,
    },
    /// As many opinions as a job is given do not agree.
    SetAside,
}

/// Judges a job whose result is checked by the opinions on it, in the order in which they came.
///
/// The operator's opinion is final. With a quorum, an output counts with enough equal opinions. Otherwise it counts
/// with two, one of them an established volunteer's; once opinions differ, with two established ones, and more of
/// them than any other output has.
#[must_use]
pub fn verdict(policy: Policy, opinions: &[Opinion]) -> Verdict {
    let counts = |one: &&Opinion| match policy {
        _ if one.voice == Voice::Operator => true,
        Policy::Off => true,
        Policy::Quorum { volunteers } => equal(opinions, one.output).count() >= volunteers,
        Policy::Adaptive { .. } => has_majority(opinions, one.output),
    };
    let own = opinions.iter().find(|one| one.voice == Voice::Operator);
    if let Some(one) = own.or_else(|| opinions.iter().find(counts)) {
        return Verdict::Settled { output: one.output };
    }
    if opinions.len() >= MOST_OPINIONS {
        return Verdict::SetAside;
    }
    Verdict::Open {
        disputed: is_disputed(opinions),
    }
}

fn equal(opinions: &[Opinion], output: u32) -> impl Iterator<Item = &Opinion> {
    opinions.iter().filter(move |one| one.output == output)
}

fn established(opinions: &[Opinion], output: u32) -> usize {
    equal(opinions, output)
        .filter(|one| one.voice == Voice::Established)
        .count()
}

fn is_disputed(opinions: &[Opinion]) -> bool {
    opinions
        .first()
        .is_some_and(|first| opinions.iter().any(|one| one.output != first.output))
}

fn has_majority(opinions: &[Opinion], output: u32) -> bool {
    let own = established(opinions, output);
    let least = if is_disputed(opinions) { DECIDING } else { 1 };
    let leads = |one: &Opinion| one.output == output || established(opinions, one.output) < own;
    own >= least && equal(opinions, output).count() >= 2 && opinions.iter().all(leads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_is_written_in_the_configuration() {
        let read = |text: &str| text.parse::<Policy>().ok();
        assert_eq!(read("off"), Some(Policy::Off));
        assert_eq!(read("adaptive"), Some(ADAPTIVE));
        let forty = Policy::Adaptive { confirmations: 40 };
        assert_eq!(read("adaptive:40"), Some(forty));
        assert_eq!(read("quorum:2"), Some(Policy::Quorum { volunteers: 2 }));
        for bad in [
            "",
            "on",
            "off:1",
            "adaptive:0",
            "adaptive:x",
            "quorum",
            "quorum:1",
            "quorum:5",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn those_without_a_key_are_one_for_each_address() {
        assert_eq!(identity("k:abc", "192.0.2.1"), "k:abc");
        assert_eq!(identity("n:Ada", "192.0.2.1"), "a:192.0.2.1");
        assert_eq!(
            identity("n:k:abc", "192.0.2.1"),
            identity("a:192.0.2.1", "192.0.2.1")
        );
        assert_eq!(identity("n:Ada", ""), "a:");
    }

    const ADAPTIVE: Policy = Policy::Adaptive {
        confirmations: CONFIRMATIONS,
    };

    fn record(confirmed: u32) -> Record {
        Record {
            confirmed,
            ..Record::default()
        }
    }

    fn newcomer(output: u32) -> Opinion {
        let voice = Voice::Newcomer;
        Opinion { output, voice }
    }

    fn believed(output: u32) -> Opinion {
        let voice = Voice::Established;
        Opinion { output, voice }
    }

    #[test]
    fn newcomers_are_always_checked_and_others_less_with_every_confirmation() {
        for confirmed in 0..CONFIRMATIONS {
            assert!((check_probability(ADAPTIVE, &record(confirmed)) - 1.0).abs() < 1e-9);
        }
        let falling = [20, 21, 100, 4_000, u32::MAX].map(|confirmed| {
            assert!(record(confirmed).is_established(ADAPTIVE));
            check_probability(ADAPTIVE, &record(confirmed))
        });
        assert!(falling.is_sorted_by(|one, next| one > next || *next <= LEAST_CHECKED));
        assert!((falling[4] - LEAST_CHECKED).abs() < 1e-9);
        let held = Record {
            on_hold: true,
            ..record(1_000)
        };
        assert!(!held.is_established(ADAPTIVE) && !held.may_confirm(ADAPTIVE));
        assert!((check_probability(ADAPTIVE, &held) - 1.0).abs() < 1e-9);
        assert!(check_probability(Policy::Off, &record(0)) < 1e-9);
        let unverified = Record {
            unverified: true,
            ..record(1_000)
        };
        assert!(!unverified.may_confirm(ADAPTIVE));
        assert!(unverified.may_confirm(Policy::Quorum { volunteers: 2 }));
        assert!((check_probability(ADAPTIVE, &unverified) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_waits_is_bounded_by_what_was_confirmed() {
        assert_eq!(most_waiting(&record(0), 4), 5);
        assert_eq!(most_waiting(&record(50), 4), 100);
        assert_eq!(most_waiting(&record(0), u32::MAX), MOST_CORES + 1);
        assert_eq!(most_waiting(&record(u32::MAX), u32::MAX), u32::MAX);
        let held = Record {
            on_hold: true,
            ..record(50)
        };
        assert_eq!(most_waiting(&held, 4), 0);
    }

    #[test]
    fn an_established_volunteer_confirms_and_newcomers_do_not() {
        let open = Verdict::Open { disputed: false };
        assert_eq!(verdict(ADAPTIVE, &[newcomer(7)]), open);
        assert_eq!(verdict(ADAPTIVE, &[believed(7)]), open);
        assert_eq!(verdict(ADAPTIVE, &[newcomer(7), newcomer(7)]), open);
        let settled = Verdict::Settled { output: 7 };
        assert_eq!(verdict(ADAPTIVE, &[newcomer(7), believed(7)]), settled);
        assert_eq!(verdict(ADAPTIVE, &[believed(7), believed(7)]), settled);
    }

    #[test]
    fn a_dispute_is_decided_by_a_majority_of_established_volunteers() {
        let disputed = Verdict::Open { disputed: true };
        let two = [newcomer(1), believed(2)];
        assert_eq!(verdict(ADAPTIVE, &two), disputed);
        let with = |more: &[Opinion]| verdict(ADAPTIVE, &[&two[..], more].concat());
        assert_eq!(with(&[believed(2)]), Verdict::Settled { output: 2 });
        assert_eq!(with(&[believed(1)]), disputed);
        assert_eq!(
            with(&[believed(1), believed(1)]),
            Verdict::Settled { output: 1 }
        );
        let newcomers = [newcomer(1), newcomer(1)];
        assert_eq!(with(&newcomers), disputed);
        assert_eq!(
            with(&[believed(1), believed(3), believed(4)]),
            Verdict::SetAside
        );
    }

    #[test]
    fn the_operators_opinion_is_final() {
        let own = Opinion {
            output: 9,
            voice: Voice::Operator,
        };
        let settled = Verdict::Settled { output: 9 };
        assert_eq!(verdict(ADAPTIVE, &[believed(1), believed(1), own]), settled);
        let quorum = Policy::Quorum { volunteers: 2 };
        assert_eq!(verdict(quorum, &[newcomer(1), newcomer(1), own]), settled);
    }

    #[test]
    fn a_quorum_takes_any_volunteers_that_agree() {
        let quorum = Policy::Quorum { volunteers: 3 };
        let one = newcomer(1);
        assert_eq!(
            verdict(quorum, &[one, one]),
            Verdict::Open { disputed: false }
        );
        let settled = Verdict::Settled { output: 1 };
        assert_eq!(verdict(quorum, &[one, newcomer(2), one, one]), settled);
        let none = [one, newcomer(2), one, newcomer(3), newcomer(4)];
        assert_eq!(verdict(quorum, &none), Verdict::SetAside);
        assert_eq!(verdict(ADAPTIVE, &[]), Verdict::Open { disputed: false });
    }
}
