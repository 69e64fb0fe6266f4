//! The admin token, and who may read the metrics.

use std::{fmt, path::PathBuf, str::FromStr};

use subtle::ConstantTimeEq as _;

/// The minimum length of a token, so that it cannot be guessed.
const MIN_TOKEN: usize = 16;

/// The operator's secret. It is compared and never displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// Returns the given token or the content of the file; `None` if neither is set.
    ///
    /// # Errors
    /// Returns a sentence if the file cannot be read or the token is too easily guessed.
    pub(super) fn gather(
        given: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Option<Self>, String> {
        let given = given.filter(|token| !token.is_empty());
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let token = match (given, file) {
            (Some(_), Some(_)) => {
                return Err("Both admin_token and admin_token_file are set; one is enough.".into());
            }
            (None, Some(path)) => std::fs::read_to_string(&path)
                .map_err(|error| format!("{} cannot be read: {error}.", path.display()))?
                .trim()
                .to_owned(),
            (Some(token), None) => token,
            (None, None) => return Ok(None),
        };
        if token.chars().count() < MIN_TOKEN {
            return Err(format!(
                "The admin token must have at least {MIN_TOKEN} characters."
            ));
        }
        if !token.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Err(
                "The admin token must be of characters that a header takes: ASCII.".to_owned(),
            );
        }
        Ok(Some(Self(token)))
    }

    /// Compares a token in constant time, which reveals nothing but the length.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminToken(…)")
    }
}

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
