//! Determines the caller's address behind proxies.
//!
//! A trusted proxy appends the address of its caller to `X-Forwarded-For`. Everything to the left
//! of that was sent by the caller and may be forged.

use std::net::{IpAddr, SocketAddr};

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u32,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no address and no network such as 10.0.0.0/8.");
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits: u32 = match bits {
            None => most,
            Some(bits) => bits.trim().parse().map_err(|_| wrong())?,
        };
        if bits > most {
            return Err(wrong());
        }
        // An IPv4-mapped IPv6 address is the same address.
        match first.to_canonical() {
            IpAddr::V4(mapped) if first.is_ipv6() => Ok(Self {
                first: mapped.into(),
                bits: bits.checked_sub(96).ok_or_else(wrong)?,
            }),
            _ => Ok(Self { first, bits }),
        }
    }
}

impl Network {
    /// Whether the range contains an address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        // Compares the highest `bits` of both. If `bits` is 0, the shift by all bits overflows and
        // there is nothing to compare.
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differing = u32::from(first) ^ u32::from(address);
                differing.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = u128::from(first) ^ u128::from(address);
                differing.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The caller's address, where `peer` is the other end of the connection: the rightmost address
/// that is not a trusted proxy's.
#[must_use]
pub fn caller(peer: IpAddr, forwarded: &str, trusted: &[Network]) -> IpAddr {
    let mut caller = peer.to_canonical();
    for hop in forwarded.rsplit(',') {
        if !trusted.iter().any(|network| network.contains(caller)) {
            break;
        }
        let Some(before) = hop_address(hop) else {
            break;
        };
        caller = before.to_canonical();
    }
    caller
}

/// Parses an address as proxies write it: with or without a port, IPv6 in brackets or not.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded: &str, trusted: &[&str]) -> String {
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|text| text.parse().expect("a network"))
            .collect();
        caller(peer.parse().expect("an address"), forwarded, &trusted).to_string()
    }

    const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];

    #[test]
    fn an_untrusted_peer_is_the_caller_whatever_it_claims() {
        assert_eq!(found("192.0.2.1", "198.51.100.7", &LOOPBACK), "192.0.2.1");
        assert_eq!(found("127.0.0.1", "198.51.100.7", &[]), "127.0.0.1");
    }

    #[test]
    fn behind_proxies_it_is_the_rightmost_that_is_not_trusted() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:ffff::/48"];
        for (forwarded, caller) in [
            ("198.51.100.7", "198.51.100.7"),
            // What the caller itself has sent is on the left.
            ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
            ("203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
            ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
            ("198.51.100.7:55123", "198.51.100.7"),
            ("[2001:db8::5]:443, 2001:db8:ffff::1", "2001:db8::5"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            // Nothing readable: the address of the proxy itself.
            ("", "127.0.0.1"),
            ("unknown", "127.0.0.1"),
            ("198.51.100.7, unknown, 10.1.2.3", "10.1.2.3"),
        ] {
            assert_eq!(
                found("127.0.0.1", forwarded, &trusted),
                caller,
                "{forwarded}"
            );
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().expect("a network");
            network.contains(address.parse().expect("an address"))
        };
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.1", "::ffff:192.0.2.1") && !holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("::ffff:10.0.0.0/104", "10.9.9.9"));
        assert!(!holds("::ffff:10.0.0.0/104", "11.0.0.1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "192.0.2.1"));
        assert!(holds("::1", "::1"));
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "example.org",
            "1.2.3.4/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
