//! Where the files of a project are kept.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The schemes of clouds' object stores.
const CLOUDS: [&str; 3] = ["s3", "gs", "az"];

/// Where the files of a project are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Nowhere: the project takes no files.
    Off,
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a cloud's object store, by its address.
    Cloud(url::Url),
}

impl Location {
    /// The folder of a database file, beside it; two databases in one folder must not share one. Without
    /// such a file, a folder of the working directory.
    #[must_use]
    pub fn beside(database: Option<&Path>) -> Self {
        let Some(database) = database else {
            return Self::Folder("job-files".into());
        };
        let mut folder = database.as_os_str().to_owned();
        folder.push("-files");
        Self::Folder(folder.into())
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = || {
            format!(
                "object_store is {text:?}; it must be a folder, off, or the address of a cloud's \
                 store: s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."
            )
        };
        if text.is_empty() {
            return Err(wrong());
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::Folder(text.into()));
        };
        let url = url::Url::parse(text).map_err(|_| wrong())?;
        let is_plain = CLOUDS.contains(&scheme)
            && url.has_host()
            && url.username().is_empty()
            && (url.password(), url.port(), url.query(), url.fragment())
                == (None, None, None, None);
        is_plain.then_some(Self::Cloud(url)).ok_or_else(wrong)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Cloud(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder_or_the_address_of_a_bucket() {
        assert_eq!("off".parse(), Ok(Location::Off));
        for folder in ["files", "/var/lib/files", "./off", "C:\\files"] {
            assert_eq!(folder.parse(), Ok(Location::Folder(folder.into())));
        }
        for cloud in ["s3://bucket", "s3://bucket/a/b", "gs://b/p", "az://c/p"] {
            let location: Location = cloud.parse().expect(cloud);
            assert!(matches!(location, Location::Cloud(_)), "{cloud}");
            assert_eq!(location.to_string(), cloud);
        }
        for wrong in [
            "",
            "s3://",
            "ftp://host/x",
            "https://bucket.example.org/",
            "s3://key:secret@bucket/x",
            "s3://bucket/x?y=z",
            "s3://bucket:9000/x",
        ] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_configuration_it_is_beside_the_database() {
        let of = |path| Location::beside(Some(Path::new(path)));
        assert_eq!(of("jobs.db"), Location::Folder("jobs.db-files".into()));
        assert_eq!(
            of("/a/jobs.db"),
            Location::Folder("/a/jobs.db-files".into())
        );
        assert_eq!(Location::beside(None), Location::Folder("job-files".into()));
    }
}
