//! What is published: which scenarios, and which of their seconds say what.

use std::ops::Range;

use distcompute_engine::settings::Hours;

use super::{Capacity, Scenario};
use crate::random::Rng;

/// A scenario, and where in it to look.
#[derive(Debug, Clone)]
pub struct Trial {
    pub name: String,
    pub scenario: Scenario,
    /// Seconds in which all is as usual.
    pub steady: Range<u32>,
    /// Seconds in which something happens. Their peak is held against what is usual.
    pub event: Range<u32>,
    /// A setting that is varied, and its value here.
    pub varied: Option<(&'static str, f64)>,
}

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;

/// Requests a second of a tracker on two cores: between what `bench/results/tracker.md` says of SQLite
/// and of PostgreSQL, where a job by `old` is two calls.
const CAPACITY: f64 = 7_000.0;

/// As the tracker does it: it waits for five seconds and then asks to come back in five.
const SHEDS: (f64, u32) = (5_000.0, 5_000);

/// One in so many is simulated where a million would take hours.
const SAMPLE: u32 = 20;

fn ms(seconds: u32) -> f64 {
    1_000.0 * f64::from(seconds)
}

fn trial(name: &str, scenario: Scenario, steady: Range<u32>, event: Range<u32>) -> Trial {
    let name = name.to_owned();
    Trial {
        name,
        scenario,
        steady,
        event,
        varied: None,
    }
}

/// Everything that is published.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let mut all = vec![empty(), appear(), at_once()];
    all.extend([1, 10, 100, 1_800].map(steady));
    all.push(away("away for 1 hour", HOUR, 1_800, 1));
    let mut short = away("away for 1 hour, leases of 300 s", HOUR, 1_800, SAMPLE);
    short.scenario.lease_s = 300;
    all.push(short);
    all.push(away("away for 1 hour, jobs of 100 s", HOUR, 100, SAMPLE));
    for minutes in [1, 10] {
        let name = format!("away for {minutes} min");
        all.push(away(&name, minutes * MINUTE, 1_800, SAMPLE));
    }
    all.extend([last(), day()]);
    all.extend([15, 60, 150, 300, 600].map(wait));
    all.extend([60, 300, 900, 1_800, 3_600].map(lease));
    for job_s in [1, 10, 100] {
        all.extend([0.5, 3.0, 8.0, 30.0].map(|linger_s| linger(job_s, linger_s)));
    }
    all
}

fn empty() -> Trial {
    let scenario = Scenario {
        one_in: SAMPLE,
        jobs: 0,
        seconds: HOUR,
        ..Scenario::default()
    };
    trial("no jobs", scenario, HOUR / 2..HOUR, MINUTE..HOUR)
}

fn appear() -> Trial {
    let scenario = Scenario {
        one_in: SAMPLE,
        jobs: 0,
        import: Some((ms(HOUR / 2), 100_000_000)),
        seconds: 3 * HOUR,
        ..Scenario::default()
    };
    trial(
        "jobs appear",
        scenario,
        2 * HOUR..3 * HOUR,
        HOUR / 2..2 * HOUR,
    )
}

fn at_once() -> Trial {
    let (patience_ms, retry_after_ms) = SHEDS;
    let scenario = Scenario {
        one_in: SAMPLE,
        capacity: Some(Capacity {
            per_s: CAPACITY,
            sheds: Some((patience_ms, retry_after_ms)),
        }),
        seconds: HOUR,
        ..Scenario::default()
    };
    trial("all at once", scenario, HOUR / 2..HOUR, 0..HOUR)
}

/// Watched until the 100 million jobs are nearly done, or so long that nothing changes.
fn steady(job_s: u32) -> Trial {
    let seconds = (22 * job_s).min(HOUR);
    let scenario = Scenario {
        one_in: SAMPLE,
        job_ms: ms(job_s),
        joins_within_ms: ms((3 * job_s).min(10 * MINUTE)),
        seconds,
        ..Scenario::default()
    };
    let usual = seconds / 2..seconds;
    trial(
        &format!("jobs of {job_s} s"),
        scenario,
        usual.clone(),
        usual,
    )
}

fn away(name: &str, for_s: u32, job_s: u32, one_in: u32) -> Trial {
    let gone = 20 * MINUTE;
    let back = gone + for_s;
    let end = back + 20 * MINUTE;
    let scenario = Scenario {
        one_in,
        // Enough for all of it.
        jobs: 1_000_000_000,
        job_ms: ms(job_s),
        joins_within_ms: ms(10 * MINUTE),
        away: ms(gone)..ms(back),
        seconds: end,
        ..Scenario::default()
    };
    trial(name, scenario, 12 * MINUTE..gone, back..end)
}

fn last() -> Trial {
    let scenario = Scenario {
        one_in: SAMPLE,
        jobs: 6_000_000,
        joins_within_ms: ms(10 * MINUTE),
        seconds: 2 * HOUR,
        ..Scenario::default()
    };
    trial(
        "the last jobs",
        scenario,
        12 * MINUTE..20 * MINUTE,
        20 * MINUTE..2 * HOUR,
    )
}

fn day() -> Trial {
    let seconds = 30 * HOUR;
    let scenario = Scenario {
        one_in: 200,
        // Enough for all of it.
        jobs: 1_000_000_000,
        hours: Some(evening),
        seconds,
        ..Scenario::default()
    };
    let whole = 6 * HOUR..seconds;
    trial("a day", scenario, whole.clone(), whole)
}

/// When volunteers compute: a third all day, the others from a full hour in the evening to one in the
/// morning, in three time zones.
fn evening(rng: &mut Rng) -> Option<Hours> {
    if rng.next_f64() < 1.0 / 3.0 {
        return None;
    }
    let zone = [0, 6, 14][(3.0 * rng.next_f64()) as usize];
    let from = 18 + (5.0 * rng.next_f64()) as u16;
    let to = 30 + (3.0 * rng.next_f64()) as u16;
    let local = |hour: u16| 60 * ((hour + zone) % 24);
    Some(Hours {
        from: local(from),
        to: local(to),
    })
}

/// One volunteer in so many is enough to compare settings.
fn few() -> Scenario {
    Scenario {
        one_in: 400,
        ..Scenario::default()
    }
}

fn wait(wait_s: u32) -> Trial {
    let scenario = Scenario {
        jobs: 0,
        import: Some((ms(HOUR), 100_000_000)),
        wait_s: Some(wait_s),
        seconds: 2 * HOUR,
        ..few()
    };
    Trial {
        varied: Some(("wait_s", f64::from(wait_s))),
        ..trial(
            "no jobs, then jobs",
            scenario,
            HOUR / 2..HOUR,
            HOUR..2 * HOUR,
        )
    }
}

fn lease(lease_s: u32) -> Trial {
    let scenario = Scenario {
        lease_s,
        joins_within_ms: ms(10 * MINUTE),
        seconds: 2 * HOUR,
        ..few()
    };
    let usual = HOUR..2 * HOUR;
    Trial {
        varied: Some(("lease_s", f64::from(lease_s))),
        ..trial("jobs of 1800 s", scenario, usual.clone(), usual)
    }
}

fn linger(job_s: u32, linger_s: f64) -> Trial {
    let seconds = (10 * job_s).clamp(MINUTE, 20 * MINUTE);
    let mut scenario = Scenario {
        jobs: 1_000_000_000,
        job_ms: ms(job_s),
        joins_within_ms: ms(job_s),
        seconds,
        ..few()
    };
    scenario.limits.linger_ms = 1_000.0 * linger_s;
    let usual = seconds / 2..seconds;
    Trial {
        varied: Some(("linger_s", linger_s)),
        ..trial(
            &format!("jobs of {job_s} s"),
            scenario,
            usual.clone(),
            usual,
        )
    }
}
