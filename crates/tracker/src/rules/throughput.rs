//! The throughput of the last hour, for the dashboard's chart and its caption.

/// How many minutes the chart covers.
pub const MINUTES: usize = 60;

/// The outputs of each of the last minutes, oldest first. The last minute is not over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput([u64; MINUTES]);

impl Throughput {
    /// Sums pairs of a minute and a count, in any order; `now` is the current minute.
    #[must_use]
    pub fn new(now: i64, made: impl IntoIterator<Item = (i64, u64)>) -> Self {
        let mut minutes = [0_u64; MINUTES];
        for (minute, count) in made {
            // The clocks of several trackers differ a little, so minutes in the future count as the
            // current one.
            let age = usize::try_from((now - minute).max(0)).unwrap_or(MINUTES);
            if let Some(sum) = MINUTES.checked_sub(age + 1).map(|at| &mut minutes[at]) {
                *sum = sum.saturating_add(count);
            }
        }
        Self(minutes)
    }

    /// The outputs per minute, oldest first.
    #[must_use]
    pub fn minutes(&self) -> &[u64; MINUTES] {
        &self.0
    }

    /// The maximum in one minute.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// The total of the hour.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, made| sum.saturating_add(*made))
    }

    /// The heights of the minutes' bars, scaled so that the highest has `height`; a minute with any
    /// output gets a visible bar.
    pub fn bars(&self, height: u32) -> impl Iterator<Item = u32> {
        let most = self.most().max(1);
        self.0.into_iter().map(move |made| {
            let share = u128::from(made) * u128::from(height) / u128::from(most);
            let share = u32::try_from(share).unwrap_or(height);
            if made > 0 { share.max(1) } else { 0 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_put_in_their_place_and_old_ones_left_out() {
        let made = [
            (1_000, 5),
            (1_000, 2),
            (999, 1),
            (941, 3),
            (940, 9),
            (1_001, 4),
        ];
        let throughput = Throughput::new(1_000, made);
        let minutes = throughput.minutes();
        assert_eq!((minutes[0], minutes[58], minutes[59]), (3, 1, 11));
        assert_eq!((throughput.sum(), throughput.most()), (15, 11));
    }

    #[test]
    fn the_highest_bar_is_full_and_the_smallest_can_be_seen() {
        let throughput = Throughput::new(59, [(59, 1_000_000), (58, 500_000), (57, 1)]);
        let bars: Vec<_> = throughput.bars(40).collect();
        assert_eq!(bars[56..], [0, 1, 20, 40]);
        assert!(Throughput::new(0, []).bars(40).all(|bar| bar == 0));
    }
}
