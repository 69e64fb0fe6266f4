//! Why this browser computes or does not, and until when: a code with parameters, which a page can
//! turn into a sentence in any language.

/// Why this browser computes or does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// It computes.
    Computing,
    /// Workers and the tracker are being started.
    Starting,
    /// It has computed, and waits for the next jobs, for which it has asked the tracker.
    Fetching,
    /// No job is open. The tracker is asked again at this time.
    NoJobs {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The operator has paused the project; the status's `notice` has the message. The tracker is asked
    /// again at this time.
    ProjectPaused {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The tracker does not answer. It is tried again at this time.
    Unreachable {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The tracker has asked for more time between requests. The next one is sent at this time.
    AskedToWait {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// There is no tracker that this page could use: it has moved, does not allow this page's
    /// origin, or what answers is not a tracker. It is tried again at this time; the status's
    /// `error` has the remedy.
    NoTracker {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The volunteer has paused.
    Paused {
        /// Milliseconds since 1970; `None`: until the volunteer resumes.
        until: Option<f64>,
    },
    /// The machine runs on battery.
    OnBattery,
    /// It is outside the hours that the volunteer has chosen.
    OutsideHours {
        /// When they begin, milliseconds since 1970.
        until: f64,
    },
    /// The page is hidden, and the volunteer's settings exclude the background.
    Hidden,
    /// Another tab of this browser computes for this tracker.
    AnotherTab,
    /// The owner's `setup` fails in every core. It is tried again at this time.
    SetupFailed {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// Most jobs fail on this machine. The next one is requested at this time.
    JobsFail {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// Workers cannot be started, or fail at once. The next one is started at this time.
    WorkerFailed {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The volunteer has stopped; running jobs are being finished.
    Finishing,
    /// The volunteer has stopped; jobs are being given back.
    Stopping,
    /// Nothing runs: it was not started, or it was stopped.
    Stopped,
    /// The project has a new version, which is loaded when the running jobs are done.
    Updating,
    /// A fault that waiting does not mend; it is in the status's `error`.
    Failed,
}

impl Reason {
    /// The code as JavaScript sees it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Starting => "starting",
            Self::Fetching => "fetching",
            Self::NoJobs { .. } => "no_jobs",
            Self::ProjectPaused { .. } => "project_paused",
            Self::Unreachable { .. } => "unreachable",
            Self::AskedToWait { .. } => "asked_to_wait",
            Self::NoTracker { .. } => "no_tracker",
            Self::Paused { .. } => "paused",
            Self::OnBattery => "on_battery",
            Self::OutsideHours { .. } => "outside_hours",
            Self::Hidden => "hidden",
            Self::AnotherTab => "another_tab",
            Self::SetupFailed { .. } => "setup_failed",
            Self::JobsFail { .. } => "jobs_fail",
            Self::WorkerFailed { .. } => "worker_failed",
            Self::Finishing => "finishing",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Updating => "updating",
            Self::Failed => "failed",
        }
    }

    /// When it ends or is tried again, if that is known: milliseconds since 1970.
    #[must_use]
    pub fn until(&self) -> Option<f64> {
        match *self {
            Self::NoJobs { until }
            | Self::ProjectPaused { until }
            | Self::Unreachable { until }
            | Self::AskedToWait { until }
            | Self::NoTracker { until }
            | Self::OutsideHours { until }
            | Self::SetupFailed { until }
            | Self::JobsFail { until }
            | Self::WorkerFailed { until } => Some(until),
            Self::Paused { until } => until,
            _ => None,
        }
    }
}
