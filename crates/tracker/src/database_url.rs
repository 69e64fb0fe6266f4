//! Which database an address names, and opening it: the scheme picks the store. What is kept there
//! is the affair of `store`.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use distcompute_protocol::Stage;

use crate::{
    clock::SystemClock,
    ledger::LATE_BYTES,
    store::{
        Store, StoreError, StoreRules,
        postgres::{Address, PostgresStore},
        sqlite::{self, ServeLock, SqliteStore},
    },
};

/// For commands: nothing that they do to jobs depends on the rules, so any do.
pub(crate) const ANY_RULES: StoreRules = StoreRules {
    last_stage: Stage::E,
    invalid_after: 1,
    max_attempts: 5,
    pause_after: 3,
    lease_s: 300,
    late_bytes: LATE_BYTES,
};

/// A database, as `--database` names it. It is shown without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file, for one tracker.
    Sqlite(PathBuf),
    /// A server, for any number of trackers.
    Postgres(Box<Address>),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        match scheme {
            "sqlite" => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => Err("The database sqlite: names no file: sqlite:FILE.".to_owned()),
                name if name.starts_with(":memory:") => Err(
                    "A database in memory would forget every result: give a file, sqlite:FILE."
                        .to_owned(),
                ),
                name => Ok(Self::Sqlite(Path::new(name).to_owned())),
            },
            "postgres" | "postgresql" => text.parse().map(Box::new).map(Self::Postgres),
            // What it names instead may have a password in it, so it is not repeated.
            _ => Err(
                "The database must be given as sqlite:FILE or postgres://USER@HOST/NAME."
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

impl DatabaseUrl {
    /// Opens it and brings its tables up to date; a file that is not there is made if `create`
    /// says so.
    ///
    /// # Errors
    /// A sentence that says why it cannot be opened.
    pub async fn open(&self, create: bool, rules: StoreRules) -> Result<Arc<dyn Store>, String> {
        let opened: Result<Arc<dyn Store>, StoreError> = match self {
            Self::Sqlite(path) => SqliteStore::open(path, create, rules, Arc::new(SystemClock))
                .await
                .map(|store| Arc::new(store) as Arc<dyn Store>),
            Self::Postgres(address) => PostgresStore::open(address, rules, None)
                .await
                .map(|store| Arc::new(store) as Arc<dyn Store>),
        };
        opened.map_err(|error| format!("The database {self} cannot be opened: {error}."))
    }

    /// Opens it to read what is there: brought up to date where it can be written, and as it is on
    /// a read-only disk or copy.
    ///
    /// # Errors
    /// A sentence that says why it cannot be opened.
    pub async fn open_to_read(&self) -> Result<Arc<dyn Store>, String> {
        let opened = self.open(false, ANY_RULES).await;
        let (Self::Sqlite(path), Err(refusal)) = (self, &opened) else {
            return opened;
        };
        if !path.exists() {
            return opened;
        }
        match SqliteStore::open_to_read(path, Arc::new(SystemClock)).await {
            Ok(store) => Ok(Arc::new(store)),
            // A file that can be written and is damaged, say: the first attempt knows more.
            Err(StoreError::Unavailable(_)) => Err(refusal.clone()),
            Err(error) => Err(format!("The database {self} cannot be opened: {error}.")),
        }
    }

    /// Takes the right to serve it, where only one tracker may have that.
    ///
    /// # Errors
    /// A sentence that says who has it, or why it cannot be had.
    pub async fn lock(&self) -> Result<Option<ServeLock>, String> {
        let Self::Sqlite(path) = self else {
            return Ok(None);
        };
        let lock = ServeLock::take(path)
            .await
            .map_err(|error| format!("The database {self} cannot be locked: {error}."))?
            .ok_or_else(|| {
                format!("Another tracker serves {self}. One SQLite file is served by one tracker.")
            })?;
        Ok(Some(lock))
    }

    /// Copies all of it to a file that is not there yet, while others use it. Says how many bytes.
    ///
    /// # Errors
    /// A sentence that says why there is no copy.
    pub async fn backup(&self, to: &Path) -> Result<u64, String> {
        match self {
            Self::Sqlite(path) => {
                let (from, to) = (path.clone(), to.to_owned());
                tokio::task::spawn_blocking(move || sqlite::backup(&from, &to))
                    .await
                    .map_err(|error| error.to_string())?
            }
            Self::Postgres(address) => Err(format!(
                "PostgreSQL has its own program for that: pg_dump --format=custom --file={} '{}'",
                to.display(),
                address.with_mode()
            )),
        }
    }

    /// Whether there is a database already, as far as can be seen without reaching for it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// Whether somebody who writes all the time would keep a tracker from writing.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        match self {
            Self::Sqlite(path) => ServeLock::is_held(path),
            Self::Postgres(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_picks_the_store() {
        for name in ["sqlite:jobs.db", "sqlite://jobs.db"] {
            let database: DatabaseUrl = name.parse().expect("a database");
            assert_eq!(database, DatabaseUrl::Sqlite(PathBuf::from("jobs.db")));
        }
        for name in [
            "postgres://ann@db.example/x",
            "postgresql://ann@db.example:5432/x",
        ] {
            let database: DatabaseUrl = name.parse().expect("a database");
            assert_eq!(database.to_string(), "postgres://ann@db.example:5432/x");
        }
    }

    #[test]
    fn what_names_no_database_is_refused_with_a_sentence() {
        for (name, word) in [
            ("jobs.db", "sqlite:FILE or postgres://"),
            ("mysql://ann:secret@db/x", "sqlite:FILE or postgres://"),
            ("sqlite:", "names no file"),
            ("sqlite::memory:", "in memory"),
            ("postgres://ann:secret@db:port/x", "port"),
            ("postgres://", "names no database"),
            ("postgres://ann@db/", "names no database"),
        ] {
            let sentence = name.parse::<DatabaseUrl>().expect_err("refused");
            assert!(sentence.contains(word), "{name}: {sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for name in [
            "postgres://ann:secret@db/x",
            "postgres://ann@db/x?password=secret&sslmode=require",
        ] {
            let database: DatabaseUrl = name.parse().expect("a database");
            for shown in [format!("{database}"), format!("{database:?}")] {
                assert!(shown.contains("ann@db"), "{shown}");
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
