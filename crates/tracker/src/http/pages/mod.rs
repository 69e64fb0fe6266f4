//! The pages for people. `page` is what all have in common; `refusal` is what one sees where there is nothing
//! to show.

pub mod assets;
pub mod dashboard;
pub mod job;
pub mod leaderboard;
pub mod page;
pub mod refusal;
pub mod worker;
