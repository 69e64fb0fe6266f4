//! The HTTP side: one file a subject, each beginning with its router. Handlers read the request,
//! call the store once, and write the answer; they hold no rule of their own.

pub mod assets;
pub mod dashboard;
pub mod files;
pub mod health;
pub mod leaderboard;
pub mod page;
pub mod project;
pub mod results;
pub mod volunteer;
pub mod worker;
