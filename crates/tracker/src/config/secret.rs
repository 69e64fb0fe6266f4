//! Secrets of the operator: given as they are, or in files. They are compared and never displayed.

use std::{fmt, path::PathBuf};

use subtle::ConstantTimeEq as _;

/// The minimum length, so that a secret cannot be guessed.
const MIN_LENGTH: usize = 16;

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the given secret or the content of the file; `None` if neither is set. `key` is its
    /// name in the configuration.
    ///
    /// # Errors
    /// Returns a sentence if the file cannot be read or the secret is too easily guessed.
    pub(super) fn gather(
        key: &str,
        given: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Option<Self>, String> {
        let given = given.filter(|secret| !secret.is_empty());
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let secret = match (given, file) {
            (Some(_), Some(_)) => {
                return Err(format!("Both {key} and {key}_file are set; one is enough."));
            }
            (None, Some(path)) => std::fs::read_to_string(&path)
                .map_err(|error| format!("{} cannot be read: {error}.", path.display()))?
                .trim()
                .to_owned(),
            (Some(secret), None) => secret,
            (None, None) => return Ok(None),
        };
        if secret.chars().count() < MIN_LENGTH {
            return Err(format!("{key} must have at least {MIN_LENGTH} characters."));
        }
        if !secret.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Err(format!(
                "{key} must be of characters that a header takes: ASCII."
            ));
        }
        Ok(Some(Self(secret)))
    }

    /// Returns the join key, which may also be a part of an address.
    ///
    /// # Errors
    /// Those of `gather`, and characters that would have to be escaped in an address.
    pub(super) fn gather_join_key(
        given: Option<String>,
        file: Option<PathBuf>,
    ) -> Result<Option<Self>, String> {
        let key = Self::gather("join_key", given, file)?;
        match key {
            Some(Self(text)) if !distcompute_protocol::is_join_key(&text) => Err(
                "join_key must be of 16 to 128 letters, digits, '-', '.', '_' and '~', because it \
                 may be part of an address."
                    .to_owned(),
            ),
            key => Ok(key),
        }
    }

    /// Compares a text in constant time, which reveals nothing but the length.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
