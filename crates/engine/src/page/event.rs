//! What the page's driver reports, and what it does in return.

use crate::settings::Settings;
use crate::time::clock::Now;

/// A worker that this page has started: they are numbered from 1.
pub type Id = u32;

/// What [`Supervisor::handle`](super::supervisor::Supervisor::handle) gets besides the event, and where it
/// puts what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Cx {
    /// When the event happened.
    pub now: Now,
    /// A random number in `[0, 1)`.
    pub random: f64,
    /// What to do, in this order.
    pub out: Vec<Action>,
}

impl Cx {
    /// The context of an event that happened at `now`.
    #[must_use]
    pub fn new(now: Now, random: f64) -> Self {
        Self {
            now,
            random,
            out: Vec::new(),
        }
    }
}

/// A command of the volunteer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Compute. Also ends a pause, and tries again after a failure.
    Start,
    /// Pause.
    Pause {
        /// When the pause ends, in milliseconds since 1970; `None`: with [`Command::Resume`].
        until: Option<f64>,
    },
    /// End the pause.
    Resume,
    /// Stop computing.
    Stop {
        /// Whether running jobs are finished first.
        finish: bool,
    },
    /// Replace the settings.
    Set(Settings),
}

/// A message from the hub, as far as the supervisor uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubMessage {
    /// The hub's status.
    Status,
    /// How many compute workers the hub wants.
    Cores(u32),
    /// This compute worker has to be terminated and replaced.
    Replace(u32),
    /// All jobs are finished or given back.
    Stopped,
    /// The project has a new version, and no job is running.
    Renew,
    /// The hub cannot continue.
    Fatal,
}

/// A message to the hub.
#[derive(Debug, Clone, PartialEq)]
pub enum HubCommand {
    /// A compute worker is gone.
    CoreDied {
        /// Its number.
        core: u32,
        /// The browser's error message.
        message: String,
    },
    /// The settings have changed.
    Settings,
    /// Pause.
    Pause {
        /// When the pause ends, in milliseconds since 1970, if it ends by itself.
        until: Option<f64>,
    },
    /// End the pause.
    Resume,
    /// Stop.
    Stop {
        /// Whether running jobs are finished first.
        finish: bool,
    },
    /// Report the status, as a sign of life.
    Ping,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A command in this tab.
    Command(Command),
    /// A command in another tab of this browser.
    RemoteCommand(Command),
    /// The page has called `free()`.
    Freed,
    /// This tab has the lock, so it is the one that computes.
    LockGranted,
    /// Another tab has the lock; this one is in the queue for it.
    LockTaken,
    /// Whether other tabs are in the queue for this tab's lock.
    OthersWait(bool),
    /// Another tab has announced that it computes, or that it has ended.
    OtherComputes(bool),
    /// A worker has called `work()`.
    WorkerReady(Id),
    /// A worker has failed, or could not be started. With the browser's error message.
    WorkerDied(Id, String),
    /// `spawn` has returned this instead of a worker.
    NotAWorker(String),
    /// A message from a worker that sends as the hub.
    FromHub(Id, HubMessage),
    /// The page's timer, once a second while [`Action::Ticks`] is on.
    Tick,
    /// Whether the page is hidden.
    Hidden(bool),
    /// The page is being left. It may come back, from the browser's back/forward cache.
    Left,
    /// The page is back.
    Returned,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Request the lock by which one tab computes; or release it, or leave the queue for it.
    Lock(bool),
    /// Switch the timer of [`Event::Tick`] on or off.
    Ticks(bool),
    /// Start a worker.
    Spawn(Id),
    /// Terminate a worker.
    Terminate(Id),
    /// Make this worker the hub.
    MakeHub(Id),
    /// Open a channel between the hub and a worker, which becomes a compute worker unless it is one.
    Connect {
        /// The hub.
        hub: Id,
        /// The worker.
        worker: Id,
        /// The number of the compute worker.
        core: u32,
    },
    /// Send this to the hub.
    ToHub(Id, HubCommand),
    /// Send the requests that the hub has prepared for the end of the page.
    Farewell,
    /// Announce to the other tabs that this one does not compute any more.
    AnnounceEnd,
    /// Release everything: no action follows.
    Close,
}
