//! What the volunteer and the project's owner have asked for. Any of the volunteer's settings may
//! change at any time.

/// Hours of the day, local time, in minutes after midnight. `from` after `to` means over midnight;
/// equal ones mean the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first minute.
    pub from: u16,
    /// The minute after the last one.
    pub to: u16,
}

/// What the volunteer wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Compute workers; at least 1.
    pub cores: u32,
    /// The share of time that each core works, in tenths: 1 to 10.
    pub intensity: u8,
    /// Whether to pause while the machine runs on its battery, where the browser tells.
    pub pause_on_battery: bool,
    /// Whether to go on while the page is hidden.
    pub background: bool,
    /// When to work. `None`: at any hour.
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

/// What the project's owner wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// A job that takes longer is ended and has failed, in milliseconds. `None`: it may take for ever.
    pub job_timeout_ms: Option<f64>,
    /// A job that has reported progress and then none for so long has stalled.
    pub stall_ms: f64,
    /// How often progress is sent, at most.
    pub progress_interval_ms: f64,
    /// How long an outcome waits for others to share its request with, where no core lacks work; jobs
    /// are held ahead for as long.
    pub linger_ms: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            job_timeout_ms: None,
            stall_ms: 600_000.0,
            progress_interval_ms: 10_000.0,
            linger_ms: 3_000.0,
        }
    }
}
