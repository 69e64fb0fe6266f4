//! Who may read the metrics.

use std::str::FromStr;

/// Who may read the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetricsFor {
    /// Callers with the admin token. This is the default: behind a proxy on the same machine, every
    /// visitor seems to come from that machine, so "this machine" would not be a safe one.
    #[default]
    Token,
    /// Also callers on this machine that come through no proxy.
    Loopback,
    /// Everybody.
    Public,
}

impl FromStr for MetricsFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "token" => Ok(Self::Token),
            "loopback" => Ok(Self::Loopback),
            "public" => Ok(Self::Public),
            _ => Err(format!(
                "metrics is {text:?}; it must be token, loopback or public."
            )),
        }
    }
}
