//! Rate limits of an address group.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

/// How long unused allowance accumulates, and may then be used at once.
const SAVED_S: u32 = 10;

/// The same for registrations, which come together when a school class begins.
const SAVED_REGISTRATIONS_MIN: u32 = 10;

/// The unit in which bytes are counted.
pub const UNIT: u64 = 1024;

/// Limits for each address group; 0 means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Registrations per minute.
    pub registrations: u32,
    /// Requests per second.
    pub requests: u32,
    /// Bytes per second, in both directions together.
    pub bytes: u64,
    /// Concurrent connections, and concurrent requests.
    pub connections: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            registrations: 120,
            requests: 400,
            bytes: 32 << 20,
            connections: 512,
        }
    }
}

/// A steady rate with a burst size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time per permit.
    pub every: Duration,
    /// The burst size.
    pub burst: NonZeroU32,
}

impl Rate {
    fn new(count: u32, per: Duration, saved: u32) -> Option<Self> {
        let count = NonZeroU32::new(count)?;
        Some(Self {
            every: (per / count.get()).max(Duration::from_nanos(1)),
            burst: count.saturating_mul(NonZeroU32::new(saved)?),
        })
    }
}

impl Quotas {
    /// The rate of registrations.
    #[must_use]
    pub fn registration_rate(&self) -> Option<Rate> {
        let minute = Duration::from_secs(60);
        Rate::new(self.registrations, minute, SAVED_REGISTRATIONS_MIN)
    }

    /// The rate of requests.
    #[must_use]
    pub fn request_rate(&self) -> Option<Rate> {
        Rate::new(self.requests, Duration::from_secs(1), SAVED_S)
    }

    /// The rate of [`UNIT`]s of bytes.
    #[must_use]
    pub fn byte_rate(&self) -> Option<Rate> {
        let units = u32::try_from(self.bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Rate::new(units, Duration::from_secs(1), SAVED_S)
    }
}

/// The usage of a rate that may be overdrawn, because amounts become known only afterwards: the
/// time at which the rate will have made up for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken(Duration);

impl Taken {
    /// Records that `count` more were used at `now`.
    pub fn add(&mut self, now: Duration, rate: &Rate, count: u32) {
        let time = rate.every.saturating_mul(count);
        self.0 = self.0.max(now).saturating_add(time);
    }

    /// How long to wait until the usage is made up for, if it is not yet.
    #[must_use]
    pub fn wait(&self, now: Duration, rate: &Rate) -> Option<Duration> {
        let burst = rate.every.saturating_mul(rate.burst.get());
        let wait = self.0.saturating_sub(now).saturating_sub(burst);
        (!wait.is_zero()).then_some(wait)
    }

    /// Whether the usage has been made up for.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        self.0 <= now
    }
}

/// The address group of an address, by its first address: an IPv4 address alone, and the /64
/// network of an IPv6 address.
#[must_use]
pub fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// The value of `Retry-After`: whole seconds, at least one.
#[must_use]
pub fn retry_after_s(wait: Duration) -> u64 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(address: &str) -> String {
        group(address.parse().expect("an address")).to_string()
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_group_and_an_ipv4_address_is_one() {
        assert_eq!(grouped("192.0.2.7"), "192.0.2.7");
        assert_eq!(grouped("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(grouped("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(grouped("2001:db8:1:2::9"), grouped("2001:db8:1:2:ffff::1"));
        assert_ne!(grouped("2001:db8:1:2::9"), grouped("2001:db8:1:3::9"));
    }

    #[test]
    fn nothing_is_no_limit_and_what_was_not_used_may_be_used_at_once() {
        let none = Quotas {
            registrations: 0,
            requests: 0,
            bytes: 0,
            connections: 0,
        };
        assert_eq!(none.registration_rate(), None);
        assert_eq!(none.request_rate(), None);
        assert_eq!(none.byte_rate(), None);
        let quotas = Quotas {
            registrations: 60,
            requests: 4,
            bytes: 1,
            ..none
        };
        let rate = |every, burst| {
            let burst = NonZeroU32::new(burst).expect("not 0");
            Some(Rate { every, burst })
        };
        assert_eq!(
            quotas.registration_rate(),
            rate(Duration::from_secs(1), 600)
        );
        assert_eq!(quotas.request_rate(), rate(Duration::from_millis(250), 40));
        assert_eq!(quotas.byte_rate(), rate(Duration::from_secs(1), 10));
        let most = Quotas {
            requests: u32::MAX,
            bytes: u64::MAX,
            ..none
        };
        assert!(most.request_rate().is_some() && most.byte_rate().is_some());
    }

    #[test]
    fn a_wait_is_rounded_to_whole_seconds() {
        for (wait_ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_500, 60)] {
            assert_eq!(retry_after_s(Duration::from_millis(wait_ms)), seconds);
        }
    }
}
