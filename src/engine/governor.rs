//! Whether this browser may compute now, and why not. One policy, pure.

use super::{clock::Now, reason::Reason, settings::Settings};

/// What the page sees of its surroundings. What a browser does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Surroundings {
    /// Whether the page is hidden.
    pub hidden: bool,
    /// Whether the machine runs on its battery.
    pub on_battery: Option<bool>,
    /// What to add to UTC for local time, in minutes.
    pub utc_offset_min: i32,
}

/// The volunteer's word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wish {
    /// Compute.
    Run,
    /// Not now; `until` is milliseconds since 1970, `None` means until they say go on.
    Pause {
        /// When to go on by itself.
        until: Option<f64>,
    },
}

/// What the governor says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// `None`: compute. Otherwise why not, and until when.
    pub rest: Option<Reason>,
    /// When to ask again at the latest though nothing has happened, in milliseconds since 1970.
    pub look_again: Option<f64>,
}

/// The policy. What the volunteer said comes before what the machine says.
#[must_use]
pub fn govern(now: Now, wish: Wish, settings: &Settings, around: &Surroundings) -> Verdict {
    let _ = (now, wish, settings, around);
    todo!("hours, battery, hidden, pause")
}
