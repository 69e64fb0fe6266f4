//! What a fault of a database means to who asked: "not now" or "wrong".

use sqlx::postgres::PgDatabaseError;

use super::StoreError;

/// Primary result codes of SQLite that mean "not now": busy, locked, no memory, read-only, I/O
/// error, full, cannot open.
const SQLITE_NOT_NOW: [u32; 7] = [5, 6, 7, 8, 10, 13, 14];

/// Classes and codes of PostgreSQL that mean "not now": the connection broke, nothing is left of
/// some resource (connections, disk), the server is going down or coming up, the system failed
/// it; a lock or a statement took too long, the server is a standby.
const POSTGRES_NOT_NOW: [&str; 7] = ["08", "53", "57P", "58", "55P03", "57014", "25006"];

/// Codes of PostgreSQL that mean "undone for the sake of another": a serialization failure, and a
/// circle of transactions that waited for each other.
const POSTGRES_CONFLICT: [&str; 2] = ["40001", "40P01"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(fault) = &error
            && fault.try_downcast_ref::<PgDatabaseError>().is_some()
            && fault
                .code()
                .is_some_and(|code| POSTGRES_CONFLICT.contains(&code.as_ref()))
        {
            return Self::Conflict(error.to_string());
        }
        let not_now = match &error {
            sqlx::Error::Database(fault) => {
                let code = fault.code().unwrap_or_default();
                if fault.try_downcast_ref::<PgDatabaseError>().is_some() {
                    POSTGRES_NOT_NOW.iter().any(|class| code.starts_with(class))
                } else {
                    // The low byte is the primary code.
                    let code = code.parse::<u32>().map(|code| code & 0xff);
                    code.is_ok_and(|code| SQLITE_NOT_NOW.contains(&code))
                }
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            _ => false,
        };
        if not_now {
            Self::Unavailable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}
