//! A consistent copy of the database file while it is being written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::connection;

/// Copies the database to a new file and returns its size.
///
/// `vacuum into` reads one snapshot and blocks nobody. SQLite's backup API restarts whenever
/// another process has written, so under load it never finishes. The copy gets its final name only
/// when it is complete and on disk, so a file with that name is always a complete copy.
///
/// # Errors
/// Returns a sentence that says why no copy was made.
pub fn backup(from: &Path, to: &Path) -> Result<u64, String> {
    let (shown_from, shown_to) = (from.display(), to.display());
    let unwritten = |error: io::Error| format!("{shown_to} cannot be written: {error}.");
    if !from.exists() {
        return Err(format!("There is no database {shown_from}."));
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(format!(
            "{shown_to} is there already, and is not written over."
        ));
    }
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let copy = tempfile::Builder::new()
        .prefix(".distcompute-backup-")
        .tempfile_in(&folder)
        .map_err(unwritten)?;
    into(from, copy.path())
        .map_err(|error| format!("{shown_from} was not copied to {shown_to}: {error}."))?;
    // The final name promises a complete copy, so its content must be on disk first.
    copy.as_file().sync_all().map_err(unwritten)?;
    let permissions = fs::metadata(from).map_err(unwritten)?.permissions();
    copy.as_file()
        .set_permissions(permissions)
        .map_err(unwritten)?;
    let bytes = copy.as_file().metadata().map_err(unwritten)?.len();
    copy.persist_noclobber(to)
        .map_err(|error| unwritten(error.error))?;
    #[cfg(unix)]
    fs::File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(unwritten)?;
    Ok(bytes)
}

fn into(from: &Path, to: &Path) -> rusqlite::Result<()> {
    // Opened without creating or migrating it: a copy is also taken before an upgrade.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reading = Connection::open_with_flags(from, flags)
        .and_then(|reading| {
            reading.busy_timeout(connection::BUSY_TIMEOUT)?;
            reading.query_row("select count(*) from sqlite_schema", (), |_| Ok(()))?;
            Ok(reading)
        })
        .or_else(|_| connection::open_to_read(from))?;
    let name = to
        .to_str()
        .ok_or_else(|| rusqlite::Error::InvalidPath(to.to_owned()))?;
    reading.execute("vacuum into ?", [name])?;
    Ok(())
}
