//! What happens to a job whose input a volunteer flags as bad.

use distcompute_protocol::Stage;

/// How often a job is sent back to the previous stage before it is set aside instead.
pub const MAX_SENT_BACK: u32 = 3;

/// What is known about a job when a flag has just been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flagged {
    /// The stage at which the job is.
    pub stage: Stage,
    /// Distinct volunteers that have flagged it at this stage since it came here, including this
    /// one.
    pub distinct: u32,
    /// How often it has been sent back so far.
    pub sent_back: u32,
}

/// What to do with the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Put it back into the queue of its stage.
    PutBack,
    /// Redo it at this stage, from the input that this stage had.
    SendBack(Stage),
    /// Set it aside for the operator, for this reason.
    SetAside(String),
}

/// Decides about a flagged job. `invalid_after` distinct volunteers must agree; repeated flags of
/// one volunteer count once.
#[must_use]
pub fn verdict(job: Flagged, invalid_after: u32) -> Verdict {
    let agreed = job.distinct >= invalid_after;
    match job.stage.previous() {
        None if agreed => Verdict::SetAside(format!(
            "{} called its imported input bad.",
            capital(&volunteers(job.distinct as usize))
        )),
        Some(_) if agreed && job.sent_back >= MAX_SENT_BACK => Verdict::SetAside(format!(
            "It was made again {} times, and the result was called bad each time.",
            job.sent_back
        )),
        Some(previous) if agreed => Verdict::SendBack(previous),
        _ => Verdict::PutBack,
    }
}

/// Formats a number of volunteers.
#[must_use]
pub fn volunteers(count: usize) -> String {
    if count == 1 {
        "one volunteer".to_owned()
    } else {
        format!("{count} volunteers")
    }
}

fn capital(text: &str) -> String {
    match text.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Flagged = Flagged {
        stage: Stage::B,
        distinct: 1,
        sent_back: 0,
    };

    #[test]
    fn a_flag_that_is_not_enough_puts_the_job_back() {
        assert_eq!(verdict(JOB, 2), Verdict::PutBack);
    }

    #[test]
    fn enough_volunteers_send_the_job_back_one_stage() {
        assert_eq!(verdict(JOB, 1), Verdict::SendBack(Stage::A));
        let job = Flagged {
            stage: Stage::E,
            distinct: 5,
            ..JOB
        };
        assert_eq!(verdict(job, 5), Verdict::SendBack(Stage::D));
    }

    #[test]
    fn the_first_stage_has_none_before_it_so_the_job_is_set_aside() {
        let job = Flagged {
            stage: Stage::A,
            distinct: 5,
            ..JOB
        };
        assert!(matches!(verdict(job, 5), Verdict::SetAside(_)));
        assert_eq!(verdict(Flagged { distinct: 4, ..job }, 5), Verdict::PutBack);
    }

    #[test]
    fn a_job_that_keeps_coming_back_is_set_aside() {
        let job = Flagged {
            distinct: 2,
            sent_back: 2,
            ..JOB
        };
        assert_eq!(verdict(job, 2), Verdict::SendBack(Stage::A));
        let job = Flagged {
            sent_back: 3,
            ..job
        };
        assert!(matches!(verdict(job, 2), Verdict::SetAside(_)));
    }
}
