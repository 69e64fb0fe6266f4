//! Checks of the environment: problems that the settings do not show, and that would otherwise
//! appear only with the first volunteer.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use super::Settings;
use crate::database_url::DatabaseUrl;

/// All problems, each as a sentence.
pub(super) fn faults(settings: &Settings) -> Vec<String> {
    match &settings.database {
        DatabaseUrl::Sqlite(path) => file(path).err().into_iter().collect(),
        // Whether the server is reachable is only known once the tracker connects at startup.
        DatabaseUrl::Postgres(_) => Vec::new(),
    }
}

/// SQLite creates two more files beside the database, so the folder must be writable too.
fn file(path: &Path) -> Result<(), String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let place = folder.display();
    if !folder.is_dir() {
        return Err(format!(
            "The folder {place} of the database {} does not exist.",
            path.display()
        ));
    }
    tempfile::tempfile_in(&folder).map_err(|error| {
        format!("The folder {place}, where the database is kept, cannot be written: {error}.")
    })?;
    if fs::exists(path).unwrap_or(true) {
        OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|error| {
                format!(
                    "The database {} cannot be written: {error}.",
                    path.display()
                )
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_needs_a_folder_that_can_be_written() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(file(&folder.path().join("jobs.db")), Ok(()));
        let missing = file(&folder.path().join("no/jobs.db")).expect_err("no folder");
        assert!(missing.contains("does not exist"), "{missing}");
        let taken = file(folder.path()).expect_err("a folder is no file");
        assert!(taken.contains("cannot be written"), "{taken}");
    }
}
