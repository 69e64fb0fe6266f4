//! The volunteer's settings, which may change at any time, and the limits set by the project's
//! owner.

/// Hours of the day in local time, in minutes after midnight. If `from` is after `to`, they span
/// midnight; if both are equal, they are the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first minute.
    pub from: u16,
    /// The minute after the last one.
    pub to: u16,
}

/// The volunteer's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Compute workers; at least 1.
    pub cores: u32,
    /// The share of time that each core works, in tenths: 1 to 10.
    pub intensity: u8,
    /// Whether to pause while the machine runs on battery, in browsers that report it.
    pub pause_on_battery: bool,
    /// Whether to compute while the page is hidden.
    pub background: bool,
    /// When to compute. `None`: at any hour.
    pub hours: Option<Hours>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cores: 1,
            intensity: 8,
            pause_on_battery: true,
            background: true,
            hours: None,
        }
    }
}

/// The owner's limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// A job that takes longer than this, in milliseconds, is ended and counts as failed. `None`:
    /// no limit.
    pub job_timeout_ms: Option<f64>,
    /// A job that has reported progress before, and none for this many milliseconds, counts as
    /// stalled.
    pub stall_ms: f64,
    /// The least time between two reports of progress to the tracker, in milliseconds.
    pub progress_interval_ms: f64,
    /// How long an outcome waits for others to share a request with, in milliseconds, while every
    /// core has work. Jobs are held ahead for as long.
    pub linger_ms: f64,
    /// Whether this machine takes one job at a time, with pauses, while most jobs fail.
    pub slow_failing: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            job_timeout_ms: None,
            stall_ms: 600_000.0,
            progress_interval_ms: 10_000.0,
            linger_ms: 3_000.0,
            slow_failing: true,
        }
    }
}
