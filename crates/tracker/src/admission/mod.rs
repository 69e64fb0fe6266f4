//! Who a caller is, and how much callers may ask for: by address, by memory, and by turn.

pub mod address_limits;
pub mod admin;
pub mod bodies;
pub mod client_address;
pub mod turns;
