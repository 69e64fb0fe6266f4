//! Opens the store of a command, which a tracker may be serving at the same time.

use std::sync::Arc;

use crate::{
    commands::cli::{DatabaseArg, ObjectStoreArg},
    database_url::{ANY_RULES, DatabaseUrl},
    files::objects::Objects,
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

/// Opens the store of files; `None` if the project takes none.
///
/// # Errors
/// Returns a sentence that says what is wrong with its address.
pub(super) fn open_objects(
    database: &DatabaseArg,
    given: &ObjectStoreArg,
) -> Result<Option<Objects>, String> {
    let given = given
        .object_store
        .as_deref()
        .filter(|text| !text.is_empty());
    let location = match given {
        Some(text) => text.parse()?,
        None => database.database.parse::<DatabaseUrl>()?.files(),
    };
    Objects::open(&location)
}
