//! Private files, which must not be served, and the folders that contain them.

use std::path::{Path, PathBuf};

use super::Mount;
use crate::{database_url::DatabaseUrl, files::location::Location};

/// The folder of files of jobs, of which no part is served either.
const FILES: &str = "files of jobs";

/// A private file. SQLite keeps its auxiliary files in the folder of the database, so they need no
/// entries of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Private {
    what: &'static str,
    /// The path as the operator wrote it.
    named: PathBuf,
    /// The path with symbolic links resolved.
    real: PathBuf,
    /// Whether other users of the machine must not read it either.
    secret: bool,
}

impl Private {
    /// Returns entries for the file as named and, if it is a link, for its target, because further
    /// files may be kept in both places. Returns none for a folder that does not exist.
    fn at(what: &'static str, named: &Path, secret: bool) -> Vec<Self> {
        let folder = match named.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let beside = folder.canonicalize().ok();
        let beside = beside.zip(named.file_name());
        let places = [
            beside.map(|(folder, name)| folder.join(name)),
            named.canonicalize().ok(),
        ];
        let mut places: Vec<PathBuf> = places.into_iter().flatten().collect();
        places.dedup();
        let private = |real| Self {
            what,
            named: named.to_owned(),
            real,
            secret,
        };
        places.into_iter().map(private).collect()
    }

    /// Whether the file is in this folder, at any depth, or the folder in it. The links in `folder` must be resolved.
    pub(crate) fn is_in(&self, folder: &Path) -> bool {
        self.real.starts_with(folder) || self.what == FILES && folder.starts_with(&self.real)
    }
}

/// The private files: the database, the configuration and the secrets. The configuration is also a
/// secret if it contains one or a password.
pub(super) fn files(
    database: &DatabaseUrl,
    config: Option<(&Path, bool)>,
    secrets: [(&'static str, Option<&Path>); 2],
    objects: &Location,
) -> Vec<Private> {
    let database = match database {
        DatabaseUrl::Sqlite(path) => Some((path.as_path(), true)),
        DatabaseUrl::Postgres(_) => None,
    };
    let secrets = secrets.map(|(what, path)| (what, path.map(|path| (path, true))));
    // Files of volunteers must not become pages of the tracker's origin.
    let objects = match objects {
        Location::Folder(folder) => Some((folder.as_path(), false)),
        _ => None,
    };
    [
        ("database", database),
        ("configuration", config),
        (FILES, objects),
    ]
    .into_iter()
    .chain(secrets)
    .filter_map(|(what, file)| file.map(|(path, secret)| Private::at(what, path, secret)))
    .flatten()
    .collect()
}

/// Served folders that contain a private file, each as a sentence.
pub(super) fn faults(mounts: &[Mount], private: &[Private]) -> Vec<String> {
    let fault = |mount: &Mount| {
        let folder = mount.folder.canonicalize().ok()?;
        let file = private.iter().find(|file| file.is_in(&folder))?;
        Some(format!(
            "{}, to be served under {}, holds the {} {}, which everybody could read then: serve a \
             folder without it, or keep it elsewhere.",
            mount.folder.display(),
            mount.path,
            file.what,
            file.named.display(),
        ))
    };
    mounts.iter().filter_map(fault).collect()
}

/// Secrets that other users of the machine can read, each as a sentence.
pub(super) fn exposed(private: &[Private]) -> Vec<String> {
    let mut sentences: Vec<String> = private
        .iter()
        .filter(|file| file.secret && is_open_to_all(&file.real))
        .map(|file| {
            let named = file.named.display();
            format!(
                "The {} {named} can be read by every user of this machine: chmod o= {named}",
                file.what
            )
        })
        .collect();
    sentences.dedup();
    sentences
}

/// The maximum number of files that are checked for links to the outside.
const MOST_ENTRIES: usize = 10_000;

/// Links in served folders that lead outside, which are not served, each as a sentence.
pub(super) fn links_out(mounts: &[Mount]) -> Vec<String> {
    mounts.iter().flat_map(links_out_of).collect()
}

fn links_out_of(mount: &Mount) -> Vec<String> {
    let Ok(root) = mount.folder.canonicalize() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut folders = vec![mount.folder.clone()];
    let mut left = MOST_ENTRIES;
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.take(left) {
            left -= 1;
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else {
                continue;
            };
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink()
                && path.canonicalize().is_ok_and(|to| !to.starts_with(&root))
            {
                found.push(format!(
                    "{} is not served: it is a link that leads out of {}.",
                    path.display(),
                    mount.folder.display()
                ));
            }
        }
    }
    found
}

#[cfg(unix)]
fn is_open_to_all(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}

/// On other systems, access is defined by access control lists, which the standard library cannot
/// read.
#[cfg(not(unix))]
fn is_open_to_all(_: &Path) -> bool {
    false
}
