//! The random source for tokens, lease secrets and display names, passed in as a dependency.
//! `rules::names` turns the bits into names and tokens.

use rand::Rng as _;

/// A source of random numbers. They must be unguessable, because tokens are made from them.
pub trait Random: Send + Sync {
    /// Returns 128 random bits.
    fn bits(&self) -> u128;
}

/// The `rand` crate's thread-local generator, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadRandom;

impl Random for ThreadRandom {
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        u128::from_ne_bytes(bytes)
    }
}
