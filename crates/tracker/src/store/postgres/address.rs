//! Where a PostgreSQL database is, as a URL names it; shown without what is secret in it.

use std::{fmt, str::FromStr};

use sqlx::postgres::PgConnectOptions;

/// `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=…`. What it leaves out is taken from the
/// variables that PostgreSQL's own programs know (PGUSER, PGPASSWORD, …) and from `~/.pgpass`.
#[derive(Clone)]
pub struct Address {
    /// Two addresses are the same if they were written the same.
    text: String,
    options: PgConnectOptions,
    name: String,
}

impl Address {
    /// How to connect there.
    pub(super) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The fault names what is wrong and does not repeat the address.
        let options: PgConnectOptions = text
            .parse()
            .map_err(|error| format!("The address of the database cannot be read: {error}."))?;
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
