//! How the operator wants it: flags before environment before file before defaults, checked once
//! at the start, with a sentence for each thing that cannot work.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use distcompute_protocol::Stage;
use serde::Deserialize;

use crate::{cli::ServeArgs, rules::stages::Stages, store::StoreRules};

/// Addresses under which the tracker itself answers.
const OWN_PATHS: [&str; 4] = ["/api", "/assets", "/leaderboard", "/worker"];

/// A folder of the operator's that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where in the address, without a `/` at the end.
    pub path: String,
    /// Where on the disk.
    pub folder: PathBuf,
}

/// Everything that `serve` goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address and port; port 0 picks one.
    pub listen: String,
    /// The database file.
    pub database: PathBuf,
    /// The project's name.
    pub project: String,
    /// What it is about.
    pub description: String,
    /// Its stages.
    pub stages: Stages,
    /// Flags by distinct volunteers that send a job back.
    pub invalid_after: u32,
    /// Folders that are served.
    pub files: Vec<Mount>,
    /// The address of the volunteer page, if there is one.
    pub volunteer_page: Option<String>,
    /// The address of a page that shows the results so far, if there is one.
    pub preview: Option<String>,
    /// Whether anybody may fetch results.
    pub public_results: bool,
    /// Origins whose pages may call the API; `*` is all.
    pub cors_origin: Vec<String>,
    /// After how long without a word a worker is forgotten.
    pub idle_timeout_s: u64,
    /// How often that is looked at.
    pub sweep_interval_s: u64,
    /// The largest body that is taken, in bytes.
    pub max_body: u64,
    /// What is logged: a level, or a filter as the tracing crates have it.
    pub log: String,
}

/// The configuration file: each key may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    listen: Option<String>,
    database: Option<String>,
    project: Option<String>,
    description: Option<String>,
    stages: Option<BTreeMap<String, String>>,
    invalid_after: Option<u32>,
    files: Option<BTreeMap<String, String>>,
    volunteer_page: Option<String>,
    preview: Option<String>,
    public_results: Option<bool>,
    cors_origin: Option<Vec<String>>,
    idle_timeout_s: Option<u64>,
    sweep_interval_s: Option<u64>,
    max_body: Option<u64>,
    log: Option<String>,
}

impl Settings {
    /// Puts together what was given; flags and environment come in `args`.
    ///
    /// # Errors
    /// A sentence that says what cannot work.
    pub fn gather(args: &ServeArgs) -> Result<Self, String> {
        let file = match &args.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{} cannot be read: {error}.", path.display()))?;
                parse(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
            None => ConfigFile::default(),
        };
        Self::merge(args, file)
    }

    fn merge(args: &ServeArgs, file: ConfigFile) -> Result<Self, String> {
        let pairs =
            |given: &[String], what: &str| -> Result<Option<Vec<(String, String)>>, String> {
                let pairs: Result<Vec<_>, String> =
                    given_ones(given).map(|text| pair(text, what)).collect();
                Ok(Some(pairs?).filter(|pairs| !pairs.is_empty()))
            };
        let stages = pairs(&args.stage, "--stage a=CPU")?
            .or_else(|| file.stages.map(|stages| stages.into_iter().collect()))
            .unwrap_or_else(|| vec![("a".to_owned(), "CPU".to_owned())]);
        let files = pairs(&args.files, "--files /path=folder")?
            .or_else(|| file.files.map(|files| files.into_iter().collect()))
            .unwrap_or_default();
        let cors_origin = Some(given_ones(&args.cors_origin).cloned().collect::<Vec<_>>())
            .filter(|origins| !origins.is_empty())
            .or(file.cors_origin)
            .unwrap_or_else(|| vec!["*".to_owned()]);
        let text = |flag: &Option<String>, key: Option<String>, otherwise: &str| {
            flag.clone().or(key).unwrap_or_else(|| otherwise.to_owned())
        };
        let settings = Self {
            listen: text(&args.listen, file.listen, "127.0.0.1:8080"),
            database: database_path(&text(&args.database, file.database, "sqlite:jobs.db"))?,
            project: text(&args.project, file.project, "Unnamed project")
                .trim()
                .to_owned(),
            description: text(&args.description, file.description, "")
                .trim()
                .to_owned(),
            stages: named_stages(stages)?,
            invalid_after: args.invalid_after.or(file.invalid_after).unwrap_or(5),
            files: mounts(files)?,
            volunteer_page: page(text(&args.volunteer_page, file.volunteer_page, ""))?,
            preview: page(text(&args.preview, file.preview, ""))?,
            public_results: args.public_results.or(file.public_results).unwrap_or(false),
            cors_origin,
            idle_timeout_s: args.idle_timeout_s.or(file.idle_timeout_s).unwrap_or(7_200),
            sweep_interval_s: args
                .sweep_interval_s
                .or(file.sweep_interval_s)
                .unwrap_or(300),
            max_body: args.max_body.or(file.max_body).unwrap_or(16 << 20),
            log: text(&args.log, file.log, "info"),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if self.project.is_empty() {
            return Err("The project has no name: --project.".to_owned());
        }
        let positive = [
            ("invalid_after", u64::from(self.invalid_after)),
            ("idle_timeout_s", self.idle_timeout_s),
            ("sweep_interval_s", self.sweep_interval_s),
            ("max_body", self.max_body),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("{key} must be at least 1.")),
            None => Ok(()),
        }
    }

    /// What the store goes by.
    #[must_use]
    pub fn store_rules(&self) -> StoreRules {
        StoreRules {
            last_stage: self.stages.last(),
            invalid_after: self.invalid_after,
        }
    }
}

fn parse(text: &str) -> Result<ConfigFile, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// An environment variable that is set to nothing says nothing.
fn given_ones(list: &[String]) -> impl Iterator<Item = &String> {
    list.iter().filter(|text| !text.is_empty())
}

fn pair(text: &str, example: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| format!("{text:?} is not of the form {example}."))
}

fn named_stages(given: Vec<(String, String)>) -> Result<Stages, String> {
    let stages: Result<Vec<(Stage, String)>, String> = given
        .into_iter()
        .map(|(letter, name)| Ok((letter.parse().map_err(|e| format!("{e}"))?, name)))
        .collect();
    Stages::new(stages?)
}

fn mounts(given: Vec<(String, String)>) -> Result<Vec<Mount>, String> {
    let mut mounts: Vec<Mount> = Vec::new();
    for (path, folder) in given {
        let path = path.trim_end_matches('/').to_owned();
        let folder = PathBuf::from(folder);
        let plain = path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-_.~".contains(c));
        if !path.starts_with('/') || path.contains("//") || !plain {
            return Err(format!(
                "Files cannot be served under {path:?}: it must begin with '/' and have a name of letters, digits, '-', '_', '.' or '~'."
            ));
        }
        let own = |own: &&str| path == **own || path.starts_with(&format!("{own}/"));
        if OWN_PATHS.iter().any(own) {
            return Err(format!(
                "Files cannot be served under {path}: the tracker answers there."
            ));
        }
        if mounts.iter().any(|mount| mount.path == path) {
            return Err(format!("Two folders are to be served under {path}."));
        }
        if !folder.is_dir() {
            return Err(format!(
                "{}, to be served under {path}, is no folder.",
                folder.display()
            ));
        }
        mounts.push(Mount { path, folder });
    }
    Ok(mounts)
}

/// The address of a page on this tracker; none if it is empty.
fn page(path: String) -> Result<Option<String>, String> {
    if path.is_empty() {
        return Ok(None);
    }
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(format!(
            "The page {path:?} must be an address on this tracker, as /volunteer/ is."
        ));
    }
    Ok(Some(path))
}

/// The file that `sqlite:FILE` names.
///
/// # Errors
/// It names something else, as a sentence.
pub fn database_path(text: &str) -> Result<PathBuf, String> {
    let name = text
        .strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match name {
        Some(name) if !name.is_empty() && !name.starts_with(":memory:") => {
            Ok(Path::new(name).to_owned())
        }
        _ => Err(format!(
            "The database {text:?} must be given as sqlite:FILE."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    const EXAMPLE: &str = include_str!("../tracker.example.toml");

    fn merge(flags: &[&str], file: &str) -> Result<Settings, String> {
        let args = ServeArgs::parse_from(["serve"].iter().chain(flags));
        Settings::merge(&args, parse(file)?)
    }

    #[test]
    fn the_example_file_is_the_defaults() {
        assert_eq!(
            merge(&[], EXAMPLE).expect("example"),
            merge(&[], "").expect("defaults")
        );
    }

    #[test]
    fn the_example_file_names_every_key() {
        let ConfigFile {
            listen: Some(_),
            database: Some(_),
            project: Some(_),
            description: Some(_),
            stages: Some(_),
            invalid_after: Some(_),
            files: Some(_),
            volunteer_page: Some(_),
            preview: Some(_),
            public_results: Some(_),
            cors_origin: Some(_),
            idle_timeout_s: Some(_),
            sweep_interval_s: Some(_),
            max_body: Some(_),
            log: Some(_),
        } = parse(EXAMPLE).expect("example")
        else {
            panic!("a key is missing in the example file");
        };
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let file = "project = 'From file'\ninvalid_after = 2\n[stages]\na = 'One'\nb = 'Two'\n";
        let settings = merge(&["--project", "From flag"], file).expect("settings");
        assert_eq!(settings.project, "From flag");
        assert_eq!(settings.invalid_after, 2);
        assert_eq!(settings.idle_timeout_s, 7_200);
        assert_eq!(settings.stages.last(), Stage::B);
        let settings = merge(&["--stage", "a=Only"], file).expect("settings");
        assert_eq!(settings.stages.last(), Stage::A);
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_sentence() {
        for (flags, word) in [
            (["--stage", "b=GPU"], "stage a"),
            (["--stage", "CPU"], "a=CPU"),
            (["--stage", "x=GPU"], "'x'"),
            (["--database", "postgres://db/x"], "sqlite:FILE"),
            (["--database", "sqlite:"], "sqlite:FILE"),
            (["--files", "/x=/no/such/folder"], "no folder"),
            (["--files", "/api/x=."], "tracker answers"),
            (["--files", "/=."], "begin with '/'"),
            (["--files", "/{x}=."], "begin with '/'"),
            (["--invalid-after", "0"], "at least 1"),
            (["--project", " "], "no name"),
            (["--preview", "https://elsewhere"], "on this tracker"),
        ] {
            let sentence = merge(&flags, "").expect_err("refused");
            assert!(sentence.contains(word), "{flags:?}: {sentence}");
        }
        assert!(merge(&[], "invalid_afther = 5").is_err());
    }

    #[test]
    fn a_list_that_is_set_to_nothing_is_not_set() {
        let flags = ["--stage=", "--files=", "--cors-origin="];
        assert_eq!(
            merge(&flags, "").expect("settings"),
            merge(&[], "").expect("defaults")
        );
    }
}
