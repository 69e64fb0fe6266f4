//! How much a tab listens to its channel. Anything of the page's origin may post there, and each message
//! takes the thread of the page that reads it.

/// So many messages are read in a window. Ten tabs that compute, where there are no locks, show
/// themselves a hundred times a second together, and a slider that is dragged says as much again.
pub const MOST: u32 = 200;

/// The length of a window, in milliseconds.
pub const WINDOW_MS: f64 = 1_000.0;

/// For so long the channel is closed after more than that. What was posted meanwhile is lost, and the
/// others are asked how they are.
pub const CLOSED_MS: u32 = 1_000;

/// Counts what comes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Listening {
    /// When the window began, by the clock that only grows.
    since: Option<f64>,
    read: u32,
}

impl Listening {
    /// A message is there, at `now`. `None`: it is to be read. Else the channel is to be closed for so
    /// many milliseconds, and the message is not looked at.
    pub fn message(&mut self, now: f64) -> Option<u32> {
        // A clock that was set back would otherwise never end the window.
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
