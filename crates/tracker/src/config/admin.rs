//! Who may do what only the operator does, and who may read the metrics.

use std::{fmt, path::PathBuf, str::FromStr};

use subtle::ConstantTimeEq as _;

/// Shorter ones can be guessed.
const MIN_TOKEN: usize = 16;

/// The secret of the operator. It is compared and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// The token as it was given, or as the file holds it. `None`: neither is set.
    ///
    /// # Errors
    /// It cannot be read or is too easily guessed, as a sentence.
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

    /// Whether this is the token, in a time that tells nothing but the length.
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
    /// Whoever shows the admin token. The default: behind a proxy on the same machine, every
    /// visitor seems to come from it, so "this machine" is no safe one.
    #[default]
    Token,
    /// Also whoever calls from this machine, and not through a proxy.
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
