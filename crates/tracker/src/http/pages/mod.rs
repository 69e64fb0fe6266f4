//! The HTML pages. `page` holds what all have in common; `refusal` renders errors.

pub mod assets;
pub mod dashboard;
pub mod job;
pub mod leaderboard;
pub mod page;
pub mod refusal;
pub mod worker;
