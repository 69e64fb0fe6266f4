//! The store that a command works on, which may be served meanwhile.

use std::sync::Arc;

use crate::{
    commands::cli::DatabaseArg,
    database_url::{ANY_RULES, DatabaseUrl},
    store::Store,
};

/// The store, to change what is there.
///
/// # Errors
/// A sentence that says why it cannot be opened.
pub(super) async fn open_store(database: &DatabaseArg) -> Result<Arc<dyn Store>, String> {
    let database: DatabaseUrl = database.database.parse()?;
    database.open(false, ANY_RULES).await
}

/// The store, to read what is there; it may lie where nothing can be written.
///
/// # Errors
/// A sentence that says why it cannot be opened.
pub(super) async fn open_to_read(database: &DatabaseArg) -> Result<Arc<dyn Store>, String> {
    let database: DatabaseUrl = database.database.parse()?;
    database.open_to_read().await
}
