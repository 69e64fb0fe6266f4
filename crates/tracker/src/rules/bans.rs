//! Bans of a nickname, a key, an address, or a network of addresses.
//!
//! In the tables, a ban has a name: `n:` and a nickname, `a:` and a network, or `k:` and the
//! thumbprint of a volunteer's key. A registration is refused if any of the few names that apply to
//! it is banned, so the lookup is by name, however many bans there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use distcompute_protocol::ANONYMOUS;

use super::{jwk, names};

/// The prefix lengths that can be banned. For IPv4: one address and the two usual sizes above it.
/// For IPv6: the network of one household, and those that providers assign.
const V4: [u8; 3] = [32, 24, 16];
const V6: [u8; 4] = [64, 56, 48, 32];

/// The subject of a ban.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Banned {
    /// All registrations with this nickname.
    Nickname(String),
    /// All registrations from this network, as [`network`] formats it.
    Network(String),
    /// All registrations with the key of this thumbprint, or with one that is linked to it.
    Key(String),
}

impl Banned {
    /// Parses a nickname as typed.
    ///
    /// # Errors
    /// Returns a sentence if it is invalid or that of anonymous volunteers.
    pub fn nickname(typed: &str) -> Result<Self, String> {
        let nickname = names::nickname(typed)?;
        if nickname == ANONYMOUS {
            return Err(
                "Volunteers without a nickname have nothing but their addresses in common: name an \
                 address."
                    .to_owned(),
            );
        }
        Ok(Self::Nickname(nickname))
    }

    /// Parses an address or a network.
    ///
    /// # Errors
    /// Returns a sentence if it cannot be banned.
    pub fn network(typed: &str) -> Result<Self, String> {
        network(typed).map(Self::Network)
    }

    /// Parses the thumbprint of a key.
    ///
    /// # Errors
    /// Returns a sentence if it is none.
    pub fn key(typed: &str) -> Result<Self, String> {
        let typed = typed.trim();
        if !jwk::is_thumbprint(typed) {
            return Err(format!(
                "{typed:?} is no key of a volunteer: it has 43 letters, digits, '-' and '_'."
            ));
        }
        Ok(Self::Key(typed.to_owned()))
    }

    /// The name in the tables.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Nickname(nickname) => format!("n:{nickname}"),
            Self::Network(network) => format!("a:{network}"),
            Self::Key(key) => format!("k:{key}"),
        }
    }

    /// Parses a name from the tables.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.split_once(':')? {
            ("n", nickname) => Some(Self::Nickname(nickname.to_owned())),
            ("a", network) => Some(Self::Network(network.to_owned())),
            ("k", key) => Some(Self::Key(key.to_owned())),
            _ => None,
        }
    }

    /// Whether a registration is affected.
    #[must_use]
    pub fn concerns(&self, nickname: &str, address: &str, key: Option<&str>) -> bool {
        match self {
            Self::Nickname(banned) => banned == nickname,
            Self::Network(banned) => networks(address).contains(banned),
            Self::Key(banned) => key == Some(banned),
        }
    }
}

impl std::fmt::Display for Banned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nickname(nickname) => write!(f, "the nickname {nickname:?}"),
            Self::Network(network) => write!(f, "the address {network}"),
            Self::Key(key) => write!(f, "the key {key}"),
        }
    }
}

/// The names under which a registration may be banned.
#[must_use]
pub fn names_of(nickname: &str, address: &str, keys: &[&str]) -> Vec<String> {
    let networks = networks(address).into_iter().map(Banned::Network);
    let nickname = (nickname != ANONYMOUS).then(|| Banned::Nickname(nickname.to_owned()));
    let keys = keys.iter().map(|key| Banned::Key((*key).to_owned()));
    let all = networks.chain(nickname).chain(keys);
    all.map(|one| one.name()).collect()
}

/// The networks that contain an address. There are none if it is unknown, or this machine's own:
/// behind a proxy that does not report its callers, everybody has that address.
#[must_use]
pub fn networks(address: &str) -> Vec<String> {
    match canonical(address) {
        Some(address) if !address.is_loopback() => {
            let sizes: &[u8] = if address.is_ipv4() { &V4 } else { &V6 };
            sizes.iter().map(|bits| written(address, *bits)).collect()
        }
        _ => Vec::new(),
    }
}

/// Parses an address or a network as typed, and formats it canonically.
///
/// # Errors
/// Returns a sentence if it cannot be banned.
pub fn network(typed: &str) -> Result<String, String> {
    let typed = typed.trim();
    let (address, bits) = match typed.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u8>().ok().map(Some)),
        None => (typed, Some(None)),
    };
    let (Some(address), Some(bits)) = (canonical(address), bits) else {
        return Err(format!(
            "{typed:?} is no address; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64."
        ));
    };
    if address.is_loopback() {
        return Err(format!(
            "{typed:?} is this machine: behind a proxy that is not trusted everybody comes from \
             there. Say in trusted_proxies which proxy to believe."
        ));
    }
    let sizes: &[u8] = if address.is_ipv4() { &V4 } else { &V6 };
    // A single IPv6 address stands for its household's network, because a machine there can have
    // any number of addresses.
    let bits = match bits {
        Some(128) if address.is_ipv6() => sizes[0],
        Some(bits) => bits,
        None => sizes[0],
    };
    if !sizes.contains(&bits) {
        let sizes: Vec<String> = sizes.iter().map(|bits| format!("/{bits}")).collect();
        return Err(format!(
            "{typed:?} cannot be named: networks of its kind are {}.",
            sizes.join(", ")
        ));
    }
    Ok(written(address, bits))
}

/// Parses an address into the address group that leases record.
///
/// # Errors
/// Returns a sentence if it is invalid or a larger network.
pub fn group(typed: &str) -> Result<String, String> {
    let network = network(typed)?;
    if names::address_group(network.trim_end_matches("/64")) != network {
        return Err(format!(
            "{typed:?} is a network; name an IPv4 address, or an IPv6 address or its /64."
        ));
    }
    Ok(network)
}

fn canonical(address: &str) -> Option<IpAddr> {
    let address = address.parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}

/// Formats the network of an address, in the same way as `names::address_group`.
fn written(address: IpAddr, bits: u8) -> String {
    match address {
        IpAddr::V4(address) if bits == 32 => address.to_string(),
        IpAddr::V4(address) => {
            let rest = 32 - u32::from(bits);
            let network = u32::from(address) >> rest << rest;
            format!("{}/{bits}", Ipv4Addr::from(network))
        }
        IpAddr::V6(address) => {
            let rest = 128 - u32::from(bits);
            let network = u128::from(address) >> rest << rest;
            format!("{}/{bits}", Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_banned_alone_or_with_its_network() {
        for (typed, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            (" 192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:0:1:2::3", "2001:db8:0:1::/64"),
            ("2001:db8:0:1:2::3/128", "2001:db8:0:1::/64"),
            ("2001:db8:7::/48", "2001:db8:7::/48"),
        ] {
            assert_eq!(super::network(typed).as_deref(), Ok(network), "{typed}");
            let address = typed.trim().split('/').next().unwrap_or_default();
            let banned = Banned::Network(network.to_owned());
            assert!(banned.concerns("Ada", address, None), "{typed}");
            assert!(names_of("Ada", address, &[]).contains(&banned.name()));
            assert_eq!(Banned::from_name(&banned.name()), Some(banned));
        }
        for bad in [
            "",
            "x",
            "1.2.3",
            "1.2.3.4/8",
            "1.2.3.4/x",
            "::1",
            "127.0.0.9",
            "2001:db8::/65",
        ] {
            assert!(super::network(bad).is_err(), "{bad}");
        }
        assert!(!Banned::Network("192.0.2.0/24".to_owned()).concerns("Ada", "192.0.3.1", None));
    }

    #[test]
    fn results_are_found_by_the_address_of_a_household() {
        assert_eq!(group("192.0.2.7").as_deref(), Ok("192.0.2.7"));
        assert_eq!(group("2001:db8::7").as_deref(), Ok("2001:db8::/64"));
        assert_eq!(group("2001:db8::/64").as_deref(), Ok("2001:db8::/64"));
        for bad in ["192.0.2.0/24", "2001:db8::/48", "x"] {
            assert!(group(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_group_of_an_address_is_one_of_its_networks() {
        for address in ["192.0.2.7", "2001:db8::7"] {
            assert!(networks(address).contains(&names::address_group(address)));
        }
        for address in ["", "127.0.0.1", "::1", "somewhere"] {
            assert_eq!(networks(address), Vec::<String>::new());
        }
    }

    #[test]
    fn a_nickname_is_no_address_and_the_anonymous_one_cannot_be_banned() {
        assert_eq!(
            Banned::nickname(" Ada ").map(|one| one.name()),
            Ok("n:Ada".to_owned())
        );
        assert!(Banned::nickname("").is_err());
        assert!(Banned::nickname(ANONYMOUS).is_err());
        assert_eq!(names_of(ANONYMOUS, "", &[]), Vec::<String>::new());
        let like = Banned::Nickname("192.0.2.7".to_owned());
        assert!(!like.concerns(ANONYMOUS, "192.0.2.7", None));
        assert!(like.concerns("192.0.2.7", "", None));
    }
}
