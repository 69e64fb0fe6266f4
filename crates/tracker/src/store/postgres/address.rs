//! The address of a PostgreSQL database, given as a URL and displayed without its secrets.

use std::{fmt, net::IpAddr, str::FromStr};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// A URL `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=…`. Missing parts are taken from the
/// environment variables of libpq (PGUSER, PGPASSWORD, …) and from `~/.pgpass`; the default of
/// `sslmode` is chosen by `default_mode`.
#[derive(Clone)]
pub struct Address {
    /// The text as written; addresses are compared by it.
    text: String,
    options: PgConnectOptions,
    name: String,
}

impl Address {
    /// The connection options.
    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Like [`Display`](fmt::Display), but with the explicit TLS mode, for PostgreSQL's own
    /// programs: their default would send a password to a server that refuses TLS.
    pub(crate) fn with_mode(&self) -> String {
        format!("{self}?sslmode={}", mode_name(self.options.get_ssl_mode()))
    }
}

/// The default TLS mode. A password must not be sent to an impostor who answers in the server's
/// place and refuses TLS. On the same machine nobody is in between, and servers there rarely have a
/// certificate.
fn default_mode(options: &PgConnectOptions) -> PgSslMode {
    let host = options.get_host();
    if options.get_socket().is_some() || host.starts_with('/') {
        return PgSslMode::Disable;
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
    if is_here {
        PgSslMode::Prefer
    } else {
        PgSslMode::VerifyFull
    }
}

/// Parses the variable PGSSLMODE. sqlx would treat an unknown value as `prefer`.
fn asked_mode(variable: Option<&str>) -> Result<Option<PgSslMode>, String> {
    let Some(word) = variable.filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    let mode = word.parse().map_err(|_| {
        format!(
            "PGSSLMODE is {word:?}; it must be disable, prefer, require, verify-ca or verify-full."
        )
    })?;
    Ok(Some(mode))
}

fn mode_name(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// Parses an address; `variable` is the value of PGSSLMODE.
fn read(text: &str, variable: Option<&str>) -> Result<PgConnectOptions, String> {
    // The parse error does not contain the address, which may have a password.
    let unreadable =
        |error: &dyn fmt::Display| format!("The address of the database cannot be read: {error}.");
    let url: Url = text.parse().map_err(|error| unreadable(&error))?;
    let options: PgConnectOptions = text.parse().map_err(|error| unreadable(&error))?;
    if url
        .query_pairs()
        .any(|(key, _)| key == "sslmode" || key == "ssl-mode")
    {
        return Ok(options);
    }
    let mode = match asked_mode(variable)? {
        Some(mode) => mode,
        None => default_mode(&options),
    };
    Ok(options.ssl_mode(mode))
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let variable = std::env::var_os("PGSSLMODE");
        let variable = variable.as_ref().map(|word| word.to_string_lossy());
        let options = read(text, variable.as_deref())?;
        let Some(name) = options.get_database().map(str::to_owned) else {
            return Err("The address names no database: postgres://USER@HOST/NAME.".to_owned());
        };
        Ok(Self {
            text: text.to_owned(),
            options,
            name,
        })
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Address {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, port) = (self.options.get_username(), self.options.get_port());
        match self.options.get_socket() {
            Some(folder) => write!(f, "postgres://{user}@{}:{port}", folder.display())?,
            None => write!(f, "postgres://{user}@{}:{port}", self.options.get_host())?,
        }
        write!(f, "/{}", self.name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(address: &str, variable: Option<&str>) -> &'static str {
        mode_name(read(address, variable).expect("an address").get_ssl_mode())
    }

    #[test]
    fn only_a_server_on_this_machine_is_spoken_to_without_its_certificate() {
        for (address, expected) in [
            ("postgres://a:b@db.example/x", "verify-full"),
            ("postgres://a:b@192.0.2.1:5433/x", "verify-full"),
            ("postgres://a:b@0.0.0.0/x", "verify-full"),
            ("postgres://a:b@[2001:db8::1]/x", "verify-full"),
            ("postgres://a:b@localhost.example/x", "verify-full"),
            ("postgres://a:b@127.0.0.1.example/x", "verify-full"),
            ("postgres://a:b@localhost/x?host=db.example", "verify-full"),
            (
                "postgres://a:b@localhost/x?hostaddr=192.0.2.1",
                "verify-full",
            ),
            ("postgres://a:b@db.example/x?sslmod=disable", "verify-full"),
            ("postgres://a:b@localhost/x", "prefer"),
            ("postgres://a:b@LOCALHOST/x", "prefer"),
            ("postgres://a:b@127.0.0.1/x", "prefer"),
            ("postgres://a:b@127.9.9.9/x", "prefer"),
            ("postgres://a:b@[::1]/x", "prefer"),
            ("postgres://a:b@[::ffff:127.0.0.1]/x", "prefer"),
            ("postgres://a:b@db.example/x?hostaddr=127.0.0.1", "prefer"),
            ("postgres://a:b@%2Fvar%2Frun%2Fpostgresql/x", "disable"),
            (
                "postgres://a:b@db.example/x?host=/run/postgresql",
                "disable",
            ),
        ] {
            assert_eq!(mode(address, None), expected, "{address}");
            assert_eq!(mode(address, Some("")), expected, "{address}");
        }
    }

    #[test]
    fn what_the_address_says_goes_before_the_variable_and_that_before_the_default() {
        let (away, here) = ("postgres://a@db.example/x", "postgres://a@localhost/x");
        assert_eq!(mode(away, Some("require")), "require");
        assert_eq!(mode(here, Some("verify-ca")), "verify-ca");
        for name in ["sslmode", "ssl-mode", "ssl%6Dode"] {
            let written_options = format!("{away}?application_name=y&{name}=disable");
            assert_eq!(mode(&written_options, None), "disable");
            assert_eq!(mode(&written_options, Some("verify-full")), "disable");
            assert_eq!(mode(&written_options, Some("nonsense")), "disable");
        }
        let why = read(away, Some("verify_full")).expect_err("a word that is none");
        assert!(why.contains("PGSSLMODE is \"verify_full\""), "{why}");
        read(&format!("{away}?sslmode=verify_full"), None).expect_err("a word that is none");
    }

    #[test]
    fn other_programs_get_the_mode() {
        let address: Address = "postgres://a:b@db.example/x?sslmode=verify-ca"
            .parse()
            .expect("an address");
        assert_eq!(
            address.with_mode(),
            "postgres://a@db.example:5432/x?sslmode=verify-ca"
        );
    }
}
