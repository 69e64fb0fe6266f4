//! Why this browser computes or does not, and until when: a code with parameters, so that a page
//! can say it in any language.

/// Why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// It computes.
    Computing,
    /// Workers and the tracker are being started.
    Starting,
    /// It has worked and waits for the next jobs, which the tracker has been asked for.
    Fetching,
    /// No job is open; asked again at this time.
    NoJobs {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The tracker does not answer; tried again at this time.
    Unreachable {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The tracker asks for more time between two requests; it is asked again at this time.
    AskedToWait {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// There is no tracker that this page could use: it has moved, lets this page's origin not in, or
    /// what answers is none; tried again at this time. The status's `error` says what to do.
    NoTracker {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The volunteer said pause.
    Paused {
        /// Milliseconds since 1970; `None`: until they say go on.
        until: Option<f64>,
    },
    /// The machine runs on its battery.
    OnBattery,
    /// It is not one of the hours that the volunteer chose.
    OutsideHours {
        /// When they begin, milliseconds since 1970.
        until: f64,
    },
    /// The page is hidden, and the volunteer said: not in the background.
    Hidden,
    /// Another tab of this browser computes for this tracker.
    AnotherTab,
    /// The owner's `setup` fails in every core; tried again at this time.
    SetupFailed {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// Most jobs fail on this machine; the next one is asked for at this time.
    JobsFail {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// Workers cannot be started, or die at once; tried again at this time.
    WorkerFailed {
        /// Milliseconds since 1970.
        until: f64,
    },
    /// The volunteer said stop; running jobs are being finished.
    Finishing,
    /// The volunteer said stop; jobs are being put back.
    Stopping,
    /// Nothing runs: it has not been started, or it was stopped.
    Stopped,
    /// The project has a new version, which is taken when the running jobs are done.
    Updating,
    /// Something that does not mend itself; the status's `error` says what.
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

    /// Until when, where that is known: milliseconds since 1970.
    #[must_use]
    pub fn until(&self) -> Option<f64> {
        match *self {
            Self::NoJobs { until }
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
