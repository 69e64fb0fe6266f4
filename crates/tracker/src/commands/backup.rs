//! `backup`: copies the whole database while a tracker serves it.

use std::io::Write as _;

use crate::{commands::cli::BackupArgs, database_url::DatabaseUrl};

/// Copies the database.
///
/// # Errors
/// Returns a sentence that says why there is no copy. An incomplete copy is removed.
pub async fn run(args: &BackupArgs) -> Result<(), String> {
    let database: DatabaseUrl = args.database.database.parse()?;
    let bytes = database.backup(&args.to).await?;
    let to = args.to.display();
    writeln!(std::io::stdout(), "wrote {to}, {bytes} bytes").map_err(|error| error.to_string())
}
