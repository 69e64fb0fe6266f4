//! The rules of the volunteer engine: which job goes to which core, when to ask the tracker, what to
//! do when something is silent, and whether this browser may compute now.
//!
//! Nothing here reads a clock, sends a request or rolls dice: what happened goes in with its time,
//! what to do comes out. `web` carries it out.
//!
//! | module | holds |
//! | --- | --- |
//! | [`scheduler`] | the hub's brain: events in, actions out |
//! | [`action`] | what comes out: requests, words to cores, what to store |
//! | [`desk`] | the jobs in this browser, from grant to delivery |
//! | [`link`] | how one stage's jobs come and go, in two dialects |
//! | [`pace`] | how fast jobs and answers are, and how many jobs to hold therefore |
//! | [`clock`] | what time it is, by two clocks |
//! | [`settings`] | what the volunteer and the project's owner have asked for |
//! | [`governor`] | whether this browser may compute now, and why not |
//! | [`reason`] | why it computes or does not, as a code with parameters |
//! | [`status`] | what a page sees of it all |
//! | [`channel`] | how much a tab listens to the others |
//! | [`house`] | the page's part: its workers, its tabs, and who is replaced when |
//! | [`keyed`] | things by number |
//! | [`duty`] | a core's own account: how much it works and how much it rests |

pub mod action;
pub mod channel;
pub mod clock;
pub mod desk;
pub mod duty;
pub mod failing;
pub mod governor;
pub mod house;
pub mod keyed;
pub mod link;
pub mod pace;
pub mod reason;
pub mod rest;
pub mod scheduler;
pub mod settings;
pub mod status;
