//! What is wrong around the tracker: things that no setting shows, and that would otherwise come
//! out when the first volunteer does.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use super::Settings;
use crate::database_url::DatabaseUrl;

/// Everything that is wrong, each as a sentence.
pub(super) fn faults(settings: &Settings) -> Vec<String> {
    match &settings.database {
        DatabaseUrl::Sqlite(path) => file(path).err().into_iter().collect(),
        // Whether it can be reached is seen by reaching for it, when the tracker starts.
        DatabaseUrl::Postgres(_) => Vec::new(),
    }
}

/// SQLite keeps two more files beside the database: the folder must be writable too.
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
