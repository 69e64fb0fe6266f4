//! The host names of a tracker.

/// Whether the `Host` header names one of these hosts; if none are configured, any host is
/// accepted. Ports and case are ignored.
#[must_use]
pub fn is_known(names: &[String], host: &str) -> bool {
    let host = without_port(host);
    names.is_empty()
        || names
            .iter()
            .any(|name| without_port(name).eq_ignore_ascii_case(host))
}

/// Removes the port from a host name or an address; IPv6 addresses are in brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_with_any_port_and_none_is_needed() {
        let names = ["tracker.example.org", "[2001:db8::1]", "192.0.2.1:8080"];
        let names = names.map(str::to_owned);
        for host in [
            "tracker.example.org",
            "Tracker.Example.org:443",
            "[2001:db8::1]",
            "[2001:db8::1]:8080",
            "192.0.2.1",
            "192.0.2.1:8080",
        ] {
            assert!(is_known(&names, host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "tracker.example.org.evil.example",
            "[2001:db8::2]",
            ":80",
        ] {
            assert!(!is_known(&names, host), "{host}");
            assert!(is_known(&[], host), "{host}");
        }
    }
}
