//! Random numbers that follow from one that was drawn elsewhere, by SplitMix64.

/// What random numbers are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    /// Numbers that nobody can guess who cannot guess `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 on and below 1.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts a list into a random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = (self.share() * (last + 1) as f64) as usize;
            list.swap(last, other.min(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_dice_draw_another_order() {
        let order = |seed| {
            let mut list: Vec<u32> = (0..20).collect();
            Dice::new(seed).shuffle(&mut list);
            list
        };
        assert_ne!(order(1), order(2));
        let mut sorted = order(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        let firsts = (0..2_000).filter(|seed| order(*seed)[0] < 10).count();
        assert!((900..1_100).contains(&firsts), "{firsts}");
        Dice::new(1).shuffle::<u32>(&mut []);
    }
}
