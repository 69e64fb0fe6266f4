//! Identifies callers, and limits what they may ask for: by address, by memory, and by turns.

pub mod address_limits;
pub mod admin;
pub mod bodies;
pub mod client_address;
pub mod keys;
pub mod turns;
