//! The status that a page shows, and how often it is updated.

use crate::fault::{Fault, first_line, split_at_colon};
use crate::reason::Reason;
use crate::settings::Settings;
use distcompute_protocol::Stage;

/// The least time between two calls of a listener, in milliseconds.
pub const INTERVAL_MS: f64 = 100.0;

/// What this browser does, in one word. The [`Reason`] has the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing runs.
    Stopped,
    /// Workers are being started.
    Starting,
    /// It computes.
    Computing,
    /// It would compute, but has no job.
    Waiting,
    /// It may not compute now.
    Paused,
    /// Jobs are being finished or given back.
    Stopping,
    /// Another tab computes.
    Elsewhere,
    /// It cannot compute.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Starting,
        Self::Computing,
        Self::Waiting,
        Self::Paused,
        Self::Stopping,
        Self::Elsewhere,
        Self::Failed,
    ];

    /// The state that a reason stands for.
    #[must_use]
    pub fn of(reason: &Reason) -> Self {
        match reason {
            Reason::Computing | Reason::Updating => Self::Computing,
            Reason::Starting => Self::Starting,
            Reason::Fetching
            | Reason::NoJobs { .. }
            | Reason::ProjectPaused { .. }
            | Reason::AskedToWait { .. }
            | Reason::Unreachable { .. } => Self::Waiting,
            Reason::Paused { .. }
            | Reason::OnBattery
            | Reason::OutsideHours { .. }
            | Reason::Hidden => Self::Paused,
            Reason::AnotherTab => Self::Elsewhere,
            Reason::SetupFailed { .. }
            | Reason::JobsFail { .. }
            | Reason::WorkerFailed { .. }
            | Reason::NoTracker { .. }
            | Reason::Failed => Self::Failed,
            Reason::Finishing | Reason::Stopping => Self::Stopping,
            Reason::Stopped => Self::Stopped,
        }
    }

    /// The state that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The word that JavaScript gets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Computing => "computing",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Elsewhere => "elsewhere",
            Self::Failed => "failed",
        }
    }
}

/// What a core does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreState {
    /// Its worker is being started, or runs the owner's `setup`.
    Starting,
    /// It works on a job.
    Working,
    /// It has a job and rests, because it may not compute now.
    Paused,
    /// It has no job.
    Idle,
}

impl CoreState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Working, Self::Paused, Self::Idle];

    /// The word that JavaScript gets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Paused => "paused",
            Self::Idle => "idle",
        }
    }
}

/// The error of a job that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct LastError {
    /// The error's name, `RangeError` for example.
    pub name: String,
    /// Its message.
    pub message: String,
    /// The job's number.
    pub job: u64,
    /// When, in milliseconds since 1970.
    pub at: f64,
}

impl LastError {
    /// Reads the error from the first line of a worker's report, such as `RangeError: bad range`.
    #[must_use]
    pub fn new(account: &str, job: u64, at: f64) -> Self {
        let first = first_line(account);
        // Unicode's tables of letters would weigh 3 KB: beyond ASCII every character counts as one.
        let is_name = |name: &str| {
            let mut letters = name.bytes();
            letters
                .next()
                .is_some_and(|b| b.is_ascii_uppercase() || !b.is_ascii())
                && letters.all(|b| b.is_ascii_alphanumeric() || !b.is_ascii())
        };
        let parts = split_at_colon(first).filter(|(name, _)| is_name(name));
        let (name, message) = parts.unwrap_or(("Error", first));
        Self {
            name: name.to_owned(),
            message: message.to_owned(),
            job,
            at,
        }
    }
}

/// The job that a core works on.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreJob {
    /// Its number.
    pub number: u64,
    /// The stage that it is at.
    pub stage: Stage,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// How much of `total` is done, as reported by the handler.
    pub done: f64,
    /// 0 if the handler has not reported a total.
    pub total: f64,
    /// The handler's text about it.
    pub text: String,
}

/// One core.
#[derive(Debug, Clone, PartialEq)]
pub struct Core {
    /// Its number, counted from 0.
    pub core: u32,
    /// What it does.
    pub state: CoreState,
    /// Its job.
    pub job: Option<CoreJob>,
    /// Jobs done since the start.
    pub jobs: u64,
    /// Jobs done per minute.
    pub jobs_per_minute: f64,
}

/// The files of jobs that are under way, in numbers and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs, reason = "as JavaScript sees them")]
pub struct FileStatus {
    pub sending: u64,
    pub bytes_sent: f64,
    pub bytes_to_send: f64,
    pub fetching: u64,
    pub bytes_fetched: f64,
    pub bytes_to_fetch: f64,
}

/// The status. Counters begin at the start of the visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Why it computes or does not; the state is derived from it.
    pub reason: Reason,
    /// If that is the reason: the error of the owner's `setup`, or of the first job that failed.
    pub problem: String,
    /// The last job that failed.
    pub last_error: Option<LastError>,
    /// The operator's message, while the project is paused; otherwise empty.
    pub notice: String,
    /// Why there is no tracker that this page could use, if that is the case.
    pub trouble: Option<Fault>,
    /// The cores, by number.
    pub cores: Vec<Core>,
    /// Jobs whose results the tracker has accepted.
    pub jobs_done: u64,
    /// The same by stage.
    pub jobs_by_stage: Vec<(Stage, u64)>,
    /// Those of them, and of earlier visits, that wait for the opinion of another volunteer.
    pub jobs_unconfirmed: u64,
    /// Jobs whose inputs were flagged as invalid.
    pub jobs_invalid: u64,
    /// Jobs that failed here.
    pub jobs_failed: u64,
    /// Results that the tracker has rejected.
    pub jobs_rejected: u64,
    /// Results of an earlier visit that came too late.
    pub not_delivered: u64,
    /// The time that the cores have worked, in milliseconds, without rests.
    pub compute_ms: f64,
    /// Bytes of requests, without headers.
    pub bytes_sent: f64,
    /// Bytes of answers, without headers.
    pub bytes_received: f64,
    /// Results that wait to be sent.
    pub waiting: u64,
    /// The bytes of those results.
    pub bytes_waiting: f64,
    /// The files that are under way.
    pub files: FileStatus,
    /// Whether the tracker answers.
    pub online: bool,
    /// The project's name; empty until it is known.
    pub project: String,
    /// The public name of this browser's worker; empty until it is known.
    pub display_name: String,
    /// What the project calls its stages.
    pub stage_names: Vec<(Stage, String)>,
    /// The volunteer's settings.
    pub settings: Settings,
}

impl Status {
    /// The status before anything has happened.
    #[must_use]
    pub fn new(reason: Reason, settings: Settings) -> Self {
        Self {
            reason,
            problem: String::new(),
            last_error: None,
            notice: String::new(),
            trouble: None,
            cores: Vec::new(),
            jobs_done: 0,
            jobs_by_stage: Vec::new(),
            jobs_unconfirmed: 0,
            jobs_invalid: 0,
            jobs_failed: 0,
            jobs_rejected: 0,
            not_delivered: 0,
            compute_ms: 0.0,
            bytes_sent: 0.0,
            bytes_received: 0.0,
            waiting: 0,
            bytes_waiting: 0.0,
            files: FileStatus::default(),
            online: true,
            project: String::new(),
            display_name: String::new(),
            stage_names: Vec::new(),
            settings,
        }
    }
}

/// How often a hub that holds jobs reports its status, at least.
pub const BEAT_MS: f64 = 1_000.0;

/// How often a hub without jobs reports it, as a sign of life before the page pings it.
const IDLE_MS: f64 = 4_000.0;

/// In how many milliseconds a hub reports its status to the page, if it last did so `silent_ms`
/// ago. 0 or less: now.
#[must_use]
pub fn tell_in(silent_ms: f64, changed: bool, holds_jobs: bool) -> f64 {
    let interval = match (changed, holds_jobs) {
        (true, _) => INTERVAL_MS,
        (false, true) => BEAT_MS,
        (false, false) => IDLE_MS,
    };
    interval - silent_ms
}

/// When listeners are called: at once, or as soon as [`INTERVAL_MS`] has passed since the last
/// call.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Telling {
    last_ms: Option<f64>,
    waiting: bool,
}

/// When to notify listeners of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tell {
    /// Now.
    Now,
    /// After so many milliseconds, by a timer.
    After(f64),
    /// A timer is already running.
    Soon,
}

impl Telling {
    /// The status has changed.
    pub fn changed(&mut self, now_ms: f64) -> Tell {
        let wait = self.last_ms.map_or(0.0, |last| last + INTERVAL_MS - now_ms);
        if wait <= 0.0 {
            self.last_ms = Some(now_ms);
            Tell::Now
        } else if self.waiting {
            Tell::Soon
        } else {
            self.waiting = true;
            Tell::After(wait)
        }
    }

    /// The timer has ended. There is a change to report, unless it was reported meanwhile.
    pub fn came_back(&mut self) {
        self.waiting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::supervisor::ASK_AFTER;

    #[test]
    fn listeners_hear_at_once_and_then_ten_times_a_second() {
        let mut telling = Telling::default();
        assert_eq!(telling.changed(5.0), Tell::Now);
        assert_eq!(telling.changed(6.0), Tell::After(99.0));
        assert_eq!(telling.changed(50.0), Tell::Soon);
        telling.came_back();
        assert_eq!(telling.changed(105.0), Tell::Now);
        // A timer that comes a hair too early is asked to come again.
        assert_eq!(telling.changed(204.0), Tell::After(1.0));
        telling.came_back();
        assert_eq!(telling.changed(204.5), Tell::After(0.5));
        // Timers of a hidden page come late; what happens meanwhile is told all the same.
        assert_eq!(telling.changed(300.0), Tell::Now);
    }

    #[test]
    fn a_hub_without_jobs_speaks_seldom_but_before_it_is_asked() {
        assert_eq!(tell_in(30.0, true, false), 70.0);
        assert_eq!(tell_in(30.0, false, true), 970.0);
        let idle = tell_in(0.0, false, false);
        let asked = f64::from(ASK_AFTER - 1) * 1_000.0;
        assert!(idle > 3.0 * BEAT_MS && idle <= asked);
        // The page has never been told, or asks.
        assert!(tell_in(f64::INFINITY, true, true) <= 0.0);
    }

    #[test]
    fn what_the_volunteer_does_follows_from_the_reason() {
        for (reason, state) in [
            (Reason::Updating, "computing"),
            (Reason::NoJobs { until: 1.0 }, "waiting"),
            (Reason::Paused { until: None }, "paused"),
            (Reason::AnotherTab, "elsewhere"),
            (Reason::NoTracker { until: 1.0 }, "failed"),
            (Reason::WorkerFailed { until: 1.0 }, "failed"),
            (Reason::Finishing, "stopping"),
        ] {
            assert_eq!(State::of(&reason).as_str(), state);
        }
    }
}
