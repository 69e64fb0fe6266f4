//! The progress of a project, and an estimate of the remaining time.

use distcompute_protocol::EstimateUnknown;

/// The window of the estimate, in minutes.
pub const WINDOW_MINUTES: i64 = 15;

/// The minimum time from which a rate is derived.
const MIN_WINDOW_S: u64 = 30;

/// The remaining work of a stage, and its recent output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLoad {
    /// Outputs still to be produced.
    pub remaining: u64,
    /// Outputs produced within the window.
    pub recent: u64,
}

/// The state of a project, apart from the throughput of its stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Jobs that have completed all stages.
    pub closed: u64,
    /// All jobs.
    pub jobs: u64,
    /// Workers at enabled stages.
    pub workers: u64,
    /// Jobs that are open or held at enabled stages.
    pub waiting: u64,
    /// Those of them that have failed before.
    pub failing: u64,
    /// Jobs at stages that are not enabled.
    pub disabled: u64,
    /// Open jobs at paused stages.
    pub paused: u64,
}

/// Estimates the seconds until all jobs are done.
///
/// # Errors
/// Returns why there is no estimate; if there are several reasons, one on which the operator must
/// act.
pub fn time_left(
    standing: Standing,
    stages: &[StageLoad],
    window_s: u64,
) -> Result<u64, EstimateUnknown> {
    if standing.closed >= standing.jobs {
        return Ok(0);
    }
    if standing.disabled > 0 {
        return Err(EstimateUnknown::StageDisabled);
    }
    if standing.paused > 0 {
        return Err(EstimateUnknown::StagePaused);
    }
    if standing.waiting == 0 {
        return Err(EstimateUnknown::SetAside);
    }
    if standing.workers == 0 {
        return Err(EstimateUnknown::NoVolunteers);
    }
    if standing.failing >= standing.waiting {
        return Err(EstimateUnknown::OnlyFailing);
    }
    seconds_left(stages, window_s).ok_or(EstimateUnknown::NoPace)
}

/// The reason for people, to follow "unknown:".
#[must_use]
pub fn why_unknown(why: EstimateUnknown) -> &'static str {
    match why {
        EstimateUnknown::StageDisabled => "jobs wait at a stage that is not enabled",
        EstimateUnknown::StagePaused => "a stage is paused",
        EstimateUnknown::NoVolunteers => "no volunteers are here",
        EstimateUnknown::OnlyFailing => "the jobs that are left have failed before",
        EstimateUnknown::SetAside => "the jobs that are left are set aside",
        EstimateUnknown::NoPace => "too little was finished recently",
    }
}

/// The seconds until the slowest stage is done, at the throughput of the last `window_s` seconds.
/// `None` if a stage with work left has produced nothing in that time.
#[must_use]
pub fn seconds_left(stages: &[StageLoad], window_s: u64) -> Option<u64> {
    let window = window_s.max(MIN_WINDOW_S);
    let mut longest = 0;
    for stage in stages.iter().filter(|stage| stage.remaining > 0) {
        if stage.recent == 0 {
            return None;
        }
        let seconds = u128::from(stage.remaining) * u128::from(window) / u128::from(stage.recent);
        longest = longest.max(u64::try_from(seconds).unwrap_or(u64::MAX));
    }
    Some(longest)
}

/// The share that is done, in hundredths of a percent; less than 100 % until everything is.
#[must_use]
pub fn completion(done: u64, all: u64) -> u32 {
    if all == 0 {
        return 0;
    }
    let share = u128::from(done.min(all)) * 10_000 / u128::from(all);
    u32::try_from(share).unwrap_or(10_000)
}

/// Formats such a share with as many digits as are meaningful.
#[must_use]
pub fn percent(share: u32) -> String {
    match share {
        0 => "0 %".to_owned(),
        1..10 => "less than 0.1 %".to_owned(),
        10..1_000 if share % 100 >= 10 => format!("{}.{} %", share / 100, share % 100 / 10),
        _ => format!("{} %", share / 100),
    }
}

/// Jobs per hour of a worker, from its first call to its last, both in milliseconds. `None` if that
/// time is too short.
#[must_use]
pub fn per_hour(completed: u64, first_seen: i64, last_seen: i64) -> Option<u64> {
    let present = u64::try_from(last_seen - first_seen)
        .ok()
        .filter(|ms| *ms >= 60_000)?;
    u64::try_from(u128::from(completed) * 3_600_000 / u128::from(present)).ok()
}

/// Formats a duration for people, no more precisely than an estimate is.
#[must_use]
pub fn in_words(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => return "less than a minute".to_owned(),
        60..5_400 => ((seconds + 30) / 60, "minute"),
        5_400..129_600 => ((seconds + 1_800) / 3_600, "hour"),
        129_600..63_072_000 => ((seconds + 43_200) / 86_400, "day"),
        _ => return "more than two years".to_owned(),
    };
    if count == 1 {
        format!("about 1 {unit}")
    } else {
        format!("about {count} {unit}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(remaining: u64, recent: u64) -> StageLoad {
        StageLoad { remaining, recent }
    }

    #[test]
    fn a_share_has_as_many_digits_as_are_meaningful() {
        for (share, text) in [
            (0, "0 %"),
            (9, "less than 0.1 %"),
            (10, "0.1 %"),
            (105, "1 %"),
            (312, "3.1 %"),
            (1_312, "13 %"),
            (9_999, "99 %"),
            (10_000, "100 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn the_slowest_stage_decides() {
        assert_eq!(seconds_left(&[load(100, 10), load(10, 10)], 60), Some(600));
        assert_eq!(seconds_left(&[load(0, 10), load(30, 10)], 60), Some(180));
    }

    #[test]
    fn nothing_left_takes_no_time_and_a_stage_that_stands_still_is_unknown() {
        assert_eq!(seconds_left(&[load(0, 0)], 60), Some(0));
        assert_eq!(seconds_left(&[load(1, 0), load(5, 5)], 60), None);
    }

    #[test]
    fn what_cannot_be_estimated_says_why() {
        let standing = Standing {
            closed: 10,
            jobs: 100,
            workers: 2,
            waiting: 90,
            failing: 3,
            disabled: 0,
            paused: 0,
        };
        let left = |standing| time_left(standing, &[load(90, 90)], 900);
        assert_eq!(left(standing), Ok(900));
        let with = |change: fn(&mut Standing)| {
            let mut changed = standing;
            change(&mut changed);
            left(changed)
        };
        assert_eq!(with(|s| s.closed = 100), Ok(0));
        assert_eq!(with(|s| s.jobs = 0), Ok(0));
        for (outcome, why) in [
            (with(|s| s.workers = 0), EstimateUnknown::NoVolunteers),
            (with(|s| s.failing = 90), EstimateUnknown::OnlyFailing),
            (with(|s| s.disabled = 1), EstimateUnknown::StageDisabled),
            (with(|s| s.paused = 1), EstimateUnknown::StagePaused),
            (with(|s| s.waiting = 0), EstimateUnknown::SetAside),
            (
                time_left(standing, &[load(90, 0)], 900),
                EstimateUnknown::NoPace,
            ),
        ] {
            assert_eq!(outcome, Err(why));
            assert!(!why_unknown(why).is_empty());
        }
    }

    #[test]
    fn a_rate_is_not_taken_from_a_moment() {
        assert_eq!(seconds_left(&[load(10, 1)], 0), Some(300));
        assert_eq!(seconds_left(&[load(u64::MAX, 1)], 900), Some(u64::MAX));
    }

    #[test]
    fn completion_is_full_only_when_nothing_is_missing() {
        assert_eq!(completion(0, 0), 0);
        assert_eq!(completion(1, 3), 3_333);
        assert_eq!(completion(99_999_999, 100_000_000), 9_999);
        assert_eq!(completion(5, 5), 10_000);
    }

    #[test]
    fn a_rate_is_known_after_a_minute() {
        assert_eq!(per_hour(3, 0, 59_999), None);
        assert_eq!(per_hour(3, 0, 60_000), Some(180));
        assert_eq!(per_hour(0, 5_000, 0), None);
    }

    #[test]
    fn durations_are_rounded() {
        assert_eq!(in_words(0), "less than a minute");
        assert_eq!(in_words(60), "about 1 minute");
        assert_eq!(in_words(3_600), "about 60 minutes");
        assert_eq!(in_words(7_200), "about 2 hours");
        assert_eq!(in_words(86_400 * 3), "about 3 days");
        assert_eq!(in_words(u64::MAX), "more than two years");
    }
}
