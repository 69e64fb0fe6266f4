//! Maps database errors to [`StoreError`]: temporary failures, conflicts and invalid values.

use rusqlite::ErrorCode;

use super::StoreError;

/// PostgreSQL error classes and codes of temporary failures: a broken connection, exhausted
/// resources (connections, disk), a server that is shutting down or starting up, a system error, a
/// lock or statement timeout, a server that is a standby.
const POSTGRES_NOT_NOW: [&str; 7] = ["08", "53", "57P", "58", "55P03", "57014", "25006"];

/// PostgreSQL error codes of transactions that were rolled back because of another one:
/// serialization failures and deadlocks.
const POSTGRES_CONFLICT: [&str; 2] = ["40001", "40P01"];

/// PostgreSQL error classes of values that cannot be stored: data exceptions, integrity constraint
/// violations, exceeded program limits.
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
