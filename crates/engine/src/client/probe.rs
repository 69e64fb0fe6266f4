//! Why a call failed below HTTP. A browser reports a lost network, a redirect that is not followed
//! and an answer blocked by CORS with the same error. A plain `GET` without a token tells them
//! apart.

use crate::fault::{Code, Fault, Kind, before};

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing was found out.
    Unknown,
    /// The tracker answers the probe, so only the failed call has a problem.
    Here,
    /// The tracker is at this address.
    Moved(String),
    /// Something answers, but the browser does not let a page of this origin read it.
    Forbidden,
    /// Something other than a tracker answers, with this status.
    NoTracker(u16),
}

impl Finding {
    /// The fault of a call to the tracker at `base`, if the probe has found out more than that it
    /// failed.
    #[must_use]
    pub fn fault(&self, base: &str) -> Option<Fault> {
        Some(match self {
            Self::Unknown => return None,
            Self::Here => Fault::new(
                Kind::Unreachable,
                Code::Unreachable,
                format!(
                    "The tracker at {base} answers, but this call fails. A proxy before it may \
                     refuse the call for its size, or the connection broke."
                ),
            ),
            Self::Moved(address) => Fault::new(
                Kind::InvalidUrl,
                Code::Moved,
                format!(
                    "The tracker has moved from {base} to {address}: use the new address. What \
                     carries a token is not sent after it."
                ),
            )
            .with_address(address),
            Self::Forbidden => Fault::new(
                Kind::Unreachable,
                Code::OriginForbidden,
                format!(
                    "Something answers at {base}, but does not let this page's origin in (CORS). \
                     Allow it in the tracker's cors_origin, and have a proxy before it leave the \
                     headers alone. An error or a redirect of such a proxy looks the same: is the \
                     address right, and the tracker running?"
                ),
            ),
            Self::NoTracker(status) => Fault::new(
                Kind::InvalidUrl,
                Code::NotATracker,
                format!(
                    "What answers at {base} is not a tracker (status {status}). Is the URL right?"
                ),
            )
            .with_status(*status),
        })
    }
}

/// Whether to probe after this many failures in a row: after the first, unless the tracker is
/// `known` to have answered before, and then after 2, 4, 8 and so on, so that a tracker that is
/// down does not get twice as many requests.
#[must_use]
pub fn is_due(failures: u32, known: bool) -> bool {
    failures.is_power_of_two() && !(known && failures == 1)
}

/// The tracker's address, from the address that has answered the request for `path`.
#[must_use]
pub fn base_of<'a>(answered: &'a str, path: &str) -> Option<&'a str> {
    let whole = before(answered, b"?#");
    let base = whole
        .strip_suffix('/')
        .unwrap_or(whole)
        .strip_suffix(path)?;
    (!base.is_empty()).then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_has_a_code_and_says_what_to_do() {
        let base = "https://old.example";
        let moved = Finding::Moved("https://new.example".to_owned()).fault(base);
        let moved = moved.expect("a fault");
        assert_eq!(moved.code.as_str(), "moved");
        assert_eq!(moved.address.as_deref(), Some("https://new.example"));
        assert!(moved.message.contains(base) && moved.message.contains("https://new.example"));
        for (finding, code, does) in [
            (Finding::Forbidden, "origin_forbidden", "cors_origin"),
            (
                Finding::NoTracker(404),
                "not_a_tracker",
                "Is the URL right?",
            ),
            (Finding::Here, "unreachable", "size"),
        ] {
            let fault = finding.fault(base).expect("a fault");
            assert_eq!(fault.code.as_str(), code);
            assert!(fault.message.contains(does) && fault.message.contains(base));
        }
        assert_eq!(Finding::Unknown.fault(base), None);
    }

    #[test]
    fn it_is_asked_ever_more_seldom() {
        let asked = |known| (1..100).filter(|n| is_due(*n, known)).collect::<Vec<_>>();
        assert_eq!(asked(false), [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(asked(true), [2, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn the_base_is_what_stands_before_the_path() {
        let of = |answered| base_of(answered, "/api/project");
        assert_eq!(
            of("https://n.example/api/project"),
            Some("https://n.example")
        );
        assert_eq!(
            of("https://n.example/t/api/project/?x=1"),
            Some("https://n.example/t")
        );
        assert_eq!(of("https://n.example/login"), None);
        assert_eq!(of("/api/project"), None);
    }
}
