//! Limits how many messages a tab reads from the channel between tabs. Any script of the page's
//! origin can post there, and each message costs the reading page time on its main thread.

/// The most messages read in a window. Without locks, ten tabs that all compute post their status
/// about a hundred times a second together; a slider that is dragged posts as many settings again.
pub const MOST: u32 = 200;

/// The length of a window, in milliseconds.
pub const WINDOW_MS: f64 = 1_000.0;

/// How long the channel is closed after more than that. Messages posted meanwhile are lost; when it
/// is opened again, the other tabs are asked for their status.
pub const CLOSED_MS: u32 = 1_000;

/// Counts the messages of the current window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Listening {
    /// When the window began, by the clock that only grows.
    since: Option<f64>,
    read: u32,
}

impl Listening {
    /// Counts a message that has arrived at `now`. Returns `None` if it may be read; otherwise how
    /// many milliseconds the channel is to be closed, without reading the message.
    pub fn message(&mut self, now: f64) -> Option<u32> {
        // If the clock was set back, the difference is negative and the window ends.
        let is_within = |since: f64| (0.0..WINDOW_MS).contains(&(now - since));
        if !self.since.is_some_and(is_within) {
            *self = Self {
                since: Some(now),
                read: 0,
            };
        }
        if self.read >= MOST {
            *self = Self::default();
            return Some(CLOSED_MS);
        }
        self.read += 1;
        None
    }
}
