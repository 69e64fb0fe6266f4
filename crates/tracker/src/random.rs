//! The random source, passed in wherever it is needed: tokens, lease secrets, display names.
//! What is made of the numbers stands in `rules::names`.

use rand::Rng as _;

/// Where random numbers come from. They must be unguessable: tokens are made of them.
pub trait Random: Send + Sync {
    /// 128 random bits.
    fn bits(&self) -> u128;
}

/// The generator of the rand crate for this thread, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadRandom;

impl Random for ThreadRandom {
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        u128::from_ne_bytes(bytes)
    }
}
