//! The volunteer engine's rules in a small browser with virtual time: every scenario in both dialects,
//! with a network that loses, doubles and delays, cores that die, and clocks that people set.

mod clocks;
mod deliveries;
mod exchanges;
mod faults;
mod fixtures;
mod lines;
mod pace;
mod pauses;
mod proxies;
mod random;
mod stops;
mod takeover;
mod visits;
