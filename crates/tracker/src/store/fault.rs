//! What a fault of a database means to who asked: "not now" or "wrong".

use rusqlite::ErrorCode;

use super::StoreError;

/// Classes and codes of PostgreSQL that mean "not now": the connection broke, nothing is left of
/// some resource (connections, disk), the server is going down or coming up, the system failed
/// it; a lock or a statement took too long, the server is a standby.
const POSTGRES_NOT_NOW: [&str; 7] = ["08", "53", "57P", "58", "55P03", "57014", "25006"];

/// Codes of PostgreSQL that mean "undone for the sake of another": a serialization failure, and a
/// circle of transactions that waited for each other.
const POSTGRES_CONFLICT: [&str; 2] = ["40001", "40P01"];

/// Classes of PostgreSQL that mean "this value cannot be kept": data exceptions, integrity
/// constraints, more than the program can do.
const POSTGRES_BAD_DATA: [&str; 3] = ["22", "23", "54"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(fault) = &error {
            let code = fault.code().unwrap_or_default();
            if POSTGRES_CONFLICT.contains(&code.as_ref()) {
                return Self::Conflict(error.to_string());
            }
            if POSTGRES_BAD_DATA
                .iter()
                .any(|class| code.starts_with(class))
            {
                return Self::BadData(error.to_string());
            }
        }
        let not_now = match &error {
            sqlx::Error::Database(fault) => {
                let code = fault.code().unwrap_or_default();
                POSTGRES_NOT_NOW.iter().any(|class| code.starts_with(class))
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            _ => false,
        };
        sorted(not_now, error.to_string())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let not_now = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
            )
        );
        sorted(not_now, error.to_string())
    }
}

fn sorted(not_now: bool, why: String) -> StoreError {
    if not_now {
        StoreError::Unavailable(why)
    } else {
        StoreError::Failed(why)
    }
}
