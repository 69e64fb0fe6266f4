//! The database address given by `--database`: its scheme selects the store.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use distcompute_protocol::Stage;

use crate::{
    clock::SystemClock,
    files::location::Location,
    ledger::LATE_BYTES,
    rules::trust::Trust,
    store::{
        Store, StoreError, StoreRules, copy,
        postgres::{self, Address, PostgresStore},
        sqlite::{self, ServeLock, SqliteStore},
    },
};

/// Rules for stores that commands open: no command depends on them, so any value will do.
pub(crate) const ANY_RULES: StoreRules = StoreRules {
    trust: Trust::OFF,
    last_stage: Stage::E,
    invalid_after: 1,
    max_attempts: 5,
    pause_after: 3,
    slow_failing: true,
    lease_s: 300,
    late_bytes: LATE_BYTES,
};

/// The address of a database, as given by `--database`. Displayed without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file, used by a single tracker.
    Sqlite(PathBuf),
    /// A PostgreSQL server, shared by any number of trackers.
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
            // The text may contain a password, so the message does not repeat it.
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
    /// Where the files of jobs are kept, if nothing else is configured.
    #[must_use]
    pub fn files(&self) -> Location {
        match self {
            Self::Sqlite(path) => Location::beside(Some(path)),
            Self::Postgres(_) => Location::beside(None),
        }
    }

    /// Opens the database and migrates its tables. If `create` is set, a missing file is created.
    ///
    /// # Errors
    /// Returns a sentence that says why the database cannot be opened.
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

    /// Opens the database for reading. Its tables are migrated if it is writable; a read-only disk
    /// or copy is used as it is.
    ///
    /// # Errors
    /// Returns a sentence that says why the database cannot be opened.
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
            // For example, the file is writable but damaged: the error of the first attempt is more
            // precise.
            Err(StoreError::Unavailable(_)) => Err(refusal.clone()),
            Err(error) => Err(format!("The database {self} cannot be opened: {error}.")),
        }
    }

    /// Acquires the exclusive right to serve this database, for stores that allow only one tracker.
    ///
    /// # Errors
    /// Returns a sentence that says who holds the lock, or why it cannot be acquired.
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

    /// Copies the whole database to a new file while it is in use. Returns the size in bytes.
    ///
    /// # Errors
    /// Returns a sentence that says why no copy was made.
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

    /// Opens the database to copy it.
    ///
    /// # Errors
    /// Returns a sentence that says why it cannot be copied.
    pub async fn copy_source(&self) -> Result<Box<dyn copy::Source>, String> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::CopySource::open(path).await?),
            Self::Postgres(address) => Box::new(postgres::CopySource::open(address).await?),
        })
    }

    /// Opens the database to copy another one to it.
    ///
    /// # Errors
    /// Returns a sentence that says why nothing can be copied to it, such as that it is not empty.
    pub async fn copy_target(&self) -> Result<Box<dyn copy::Target>, String> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(sqlite::CopyTarget::create(path).await?),
            Self::Postgres(address) => Box::new(postgres::CopyTarget::open(address).await?),
        })
    }

    /// The address as it is given in the configuration, without a password.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(address) => address.to_string(),
        }
    }

    /// Whether the database exists already, as far as that can be determined without connecting to
    /// it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// Whether a long-running writer can keep a tracker from writing.
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
