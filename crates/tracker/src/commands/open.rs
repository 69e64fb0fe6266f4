//! Opens the store of a command, which a tracker may be serving at the same time.

use std::sync::Arc;

use crate::{
    commands::cli::DatabaseArg,
    database_url::{ANY_RULES, DatabaseUrl},
    operations::turns::Turns,
    store::Store,
};

/// Opens the store for writing.
///
/// # Errors
/// Returns a sentence that says why it cannot be opened.
pub(super) async fn open_store(database: &DatabaseArg) -> Result<Arc<dyn Store>, String> {
    let database: DatabaseUrl = database.database.parse()?;
    database.open(false, ANY_RULES).await
}

/// Opens the store for reading, even where it cannot be written.
///
/// # Errors
/// Returns a sentence that says why it cannot be opened.
pub(super) async fn open_to_read(database: &DatabaseArg) -> Result<Arc<dyn Store>, String> {
    let database: DatabaseUrl = database.database.parse()?;
    database.open_to_read().await
}

/// Whether a tracker has to be given turns to write.
///
/// # Errors
/// Returns a sentence that says what is wrong with the address.
pub(super) fn turns(database: &DatabaseArg) -> Result<Turns, String> {
    let database: DatabaseUrl = database.database.parse()?;
    Ok(if database.is_contended() {
        Turns::Taken
    } else {
        Turns::Fair
    })
}
